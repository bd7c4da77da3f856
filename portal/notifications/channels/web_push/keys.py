"""The portal's own keys for Web Push (VAPID, RFC 8292), from PORTAL_VAPID_KEYS.

Each is 32 bytes in Base64 for URLs. Browsers are allowed by the newest, which is the first; devices
that were allowed by another one get messages as long as it is in the list.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings


def text_of(value: bytes) -> str:
    """Base64 for URLs, without the signs at its end."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes | None:
    """None if it is no Base64 for URLs."""
    try:
        padded = f"{text.rstrip('=')}{'=' * (-len(text.rstrip('=')) % 4)}"
        return base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def public_key_of(key: ec.EllipticCurvePrivateKey) -> str:
    """The uncompressed point, as browsers take it."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return text_of(point)


def read_key(text: str) -> ec.EllipticCurvePrivateKey | None:
    """None if it is no key."""
    value = bytes_of(text)
    if value is None or len(value) != 32:
        return None
    try:
        return ec.derive_private_key(int.from_bytes(value, "big"), ec.SECP256R1())
    except ValueError:
        return None


def newest_public_key() -> str:
    """Empty: Web Push is not set up."""
    keys = settings.PORTAL_VAPID_KEYS
    key = read_key(keys[0]) if keys else None
    return public_key_of(key) if key else ""


def key_for(public_key: str) -> ec.EllipticCurvePrivateKey | None:
    """The private key of one that a device was allowed by."""
    for one in settings.PORTAL_VAPID_KEYS:
        key = read_key(one)
        if key is not None and public_key_of(key) == public_key:
            return key
    return None
