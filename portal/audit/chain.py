"""The encoding of the chain: pure functions of values. docs/audit.md specifies it for customers,
so that they can compute a hash without the portal.

The content of an entry is a JSON object in the canonical form of RFC 8785, with `version`. It has
only text, whole numbers up to 2⁵³ − 1, true, false, null, lists and objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

VERSION: Final = 1
"""Identifies the encoding. A change of any byte needs a new number, and the old code for the old
one.
"""
FIRST: Final = "0" * 64
"""The hash before the first place."""


def canonical(content: Mapping[str, Any]) -> bytes:
    """RFC 8785 for the values above, whose keys sort by code points as by UTF-16 below U+E000."""
    return json.dumps(
        _ordered(dict(content)), ensure_ascii=False, separators=(",", ":"), default=_as_text
    ).encode()


def _ordered(value: Any) -> Any:
    """With the members of every object in the order of their names' UTF-16 code units
    (RFC 8785 section 3.2.3).
    """
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _ordered(value[name]) for name in names}
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert isinstance(value, UUID), "content has no other types"
    return str(value)


def digest_of(content: Mapping[str, Any], version: int) -> str:
    """SHA-256 of an entry's content in hexadecimal."""
    return hashlib.sha256(canonical({**content, "version": version})).hexdigest()


def hash_of(*, previous: str, organization_id: UUID, seq: int, digest: str) -> str:
    """SHA-256 of four lines in hexadecimal: the hash before, the organization, the place and the
    digest, each with a line feed at its end.
    """
    lines = f"{previous}\n{organization_id}\n{seq}\n{digest}\n"
    return hashlib.sha256(lines.encode()).hexdigest()
