"""The secrets of an endpoint, and whether a call knows one of them. Pure functions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from portal.core.numbers import whole_number

SECRET_BYTES: Final = 32
MAX_SECRET_LENGTH: Final = 100
"""Characters of a secret as it is sent; ours have 43."""
HEADERS: Final = ("X-Alert-Key", "cf-webhook-auth")
"""Headers that may hold the secret; the second is Cloudflare's name."""
MAX_AGE_S: Final = 300
"""How far the timestamp under a signature may be from our clock."""
_MAX_SECONDS: Final = 10**11


@dataclass(frozen=True, slots=True)
class DetectorCall:
    """One call to an endpoint, as it arrived."""

    body: bytes
    "as sent, before it is decompressed: a signature covers these bytes"
    headers: Mapping[str, str] = field(default_factory=dict)
    "by lower-case name"
    key: str = ""
    "the parameter `key` of the URL"

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


def new_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256 in hexadecimal. A secret has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def shows_secret(call: DetectorCall, digests: Iterable[str]) -> bool:
    """Whether the call carries a secret with one of these digests, in any of the ways that
    detectors can send one.
    """
    shown = [digest_of(one) for one in _shown(call) if len(one) <= MAX_SECRET_LENGTH]
    # Every pair is compared, so the time does not depend on which one matches.
    matches = [hmac.compare_digest(one, digest) for one in shown for digest in digests if digest]
    return any(matches)


def _shown(call: DetectorCall) -> list[str]:
    scheme, _, rest = call.header("Authorization").partition(" ")
    found = [call.key, *map(call.header, HEADERS)]
    if scheme.lower() == "bearer":
        found.append(rest.strip())
    elif scheme.lower() == "basic":
        found.append(_password(rest))
    return [one for one in found if one]


def _password(encoded: str) -> str:
    try:
        plain = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return plain.partition(":")[2]


def is_signed(
    call: DetectorCall,
    secrets_now: Iterable[bytes],
    *,
    signature_header: str,
    timestamp_header: str,
    now: datetime,
) -> bool:
    """Whether the call carries an HMAC-SHA256 of its body in hexadecimal, with or without
    `sha256=` before it. With a timestamp header the HMAC covers `<seconds>:` and the body, and the
    time is at most `MAX_AGE_S` from `now`.
    """
    given = call.header(signature_header).strip().lower().removeprefix("sha256=")
    if not given or not given.isascii():
        return False
    signed = call.body
    if timestamp_header:
        stamp = call.header(timestamp_header).strip()
        seconds = whole_number(stamp, at_most=_MAX_SECONDS)
        if seconds is None or abs(now.timestamp() - seconds) > MAX_AGE_S:
            return False
        signed = f"{stamp}:".encode() + call.body
    matches = [
        hmac.compare_digest(given, hmac.new(one, signed, hashlib.sha256).hexdigest())
        for one in secrets_now
    ]
    return any(matches)
