"""Check what staff enter about providers and subscriptions; each error is a sentence on its field.

These checks refuse only settings that could never lead to a session. The client that will use the
credentials checks them (docs/adr/0021).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from dots_client.credentials import CredentialsError, client_identity, trust_anchors
from portal.core.errors import FieldError, Invalid
from portal.core.targets import TargetError, normal_host, shown, visible
from portal.providers.models import (
    MAX_AS_NUMBER,
    MAX_LIFETIME_S,
    MAX_PORT,
    MAX_PREFIX_V4,
    MAX_PREFIX_V6,
    MIN_LIFETIME_S,
    PathKind,
)

_WITH_PORT: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]+):(?P<port>\d{1,5})", re.ASCII)


def checked_identity(chain: bytes, key: bytes, *, now: datetime) -> tuple[bytes, bytes]:
    """A client's chain and key in normal form; Invalid if no session is possible with them."""
    try:
        return client_identity(chain, key, now=now)
    except CredentialsError as error:
        raise _invalid(error) from error


def checked_trust_anchors(text: str, *, now: datetime) -> str:
    """The certificates of authorities in normal form; Invalid if they cannot verify any server."""
    try:
        return trust_anchors(text.encode(), now=now).decode("ascii")
    except CredentialsError as error:
        raise _invalid(error) from error


def _invalid(error: CredentialsError) -> Invalid:
    return Invalid.at(error.part, error.code, error.reason)


def checked_host(text: str) -> str:
    """A host name or an address in normal form; Invalid, with a suggestion if possible."""
    text = visible(text)
    plain, port = _host_in(text)
    try:
        host = normal_host(plain)
    except TargetError:
        plain, port = text, ""
        host = ""
    if not host:
        message = f"{shown(text)} is not a host. Write a name like dots.example.com, or an address."
        raise _no_host(message)
    if plain != text:
        and_port = f", and {port} as the port" if port else ""
        raise _no_host(f"This is more than a host. Write {host}{and_port}.")
    return host


def _no_host(message: str) -> Invalid:
    return Invalid.at("host", "not-a-host", message)


def _host_in(text: str) -> tuple[str, str]:
    """The host and port of a URI, of host:port, or of an address in brackets; else the
    text itself.
    """
    if "://" in text:
        try:
            parts = urlsplit(text)
            return parts.hostname or text, str(parts.port or "")
        except ValueError:
            return text, ""
    if match := _WITH_PORT.fullmatch(text):
        return match["host"].strip("[]"), match["port"]
    return text.strip("[]").removesuffix("/"), ""


def limit_problems(values: Mapping[str, Any]) -> list[FieldError]:
    """The errors in a provider's port, limits and path; a missing or None field is not known."""
    found: list[FieldError] = []

    def refuse(field: str, message: str) -> None:
        found.append(FieldError(field, "out-of-range", message))

    def is_outside(field: str, lowest: int, highest: int) -> bool:
        value = values.get(field)
        return value is not None and not lowest <= value <= highest

    if is_outside("port", 1, MAX_PORT):
        refuse("port", f"A port is 1 to {MAX_PORT}.")
    if is_outside("max_lifetime_s", MIN_LIFETIME_S, MAX_LIFETIME_S):
        refuse(
            "max_lifetime_s",
            (
                f"Write {MIN_LIFETIME_S} to {MAX_LIFETIME_S:,} seconds, or leave it empty "
                f"if it is not known."
            ),
        )
    if is_outside("as_number", 1, MAX_AS_NUMBER):
        refuse("as_number", f"AS numbers are 1 to {MAX_AS_NUMBER}.")
    if is_outside("max_targets", 1, 2**31 - 1):
        refuse("max_targets", "Write at least 1, or leave it empty if it is not known.")
    for field, longest in (
        ("longest_prefix_v4", MAX_PREFIX_V4),
        ("longest_prefix_v6", MAX_PREFIX_V6),
    ):
        if is_outside(field, 0, longest):
            refuse(field, f"A prefix is at most /{longest} long. Write 0 to {longest}.")
    is_direct = values.get("path_kind") == PathKind.DIRECT
    if is_direct and values.get("path_name"):
        refuse("path_name", "There is no gateway or relay: leave the name empty.")
    if not is_direct and not values.get("path_name"):
        refuse("path_name", "Enter the name people use for the gateway or relay.")
    return found
