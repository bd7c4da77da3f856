"""The identity of a DOTS client: its certificate and key, and the cuid derived from them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dots_client.rng import Rng

CUID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The certificate, key and trust anchors of one side of a (D)TLS session.

    Never written to disk.
    """

    certificate_chain: bytes
    "PEM, starting with our own certificate"
    private_key: bytes = field(repr=False)
    "PEM, not encrypted"
    trust_anchors: bytes
    "PEM, the authorities that may issue the peer's certificate"
    revocation_lists: bytes = b""
    "PEM; if there are any, one must cover the peer's certificate and not list it"


def cuid_from_certificate(pem: bytes) -> str:
    """The cuid of the first certificate in `pem`, 22 characters (RFC 9132 section 4.4.1.1).

    Raises ValueError if there is no certificate in it.
    """
    public_key = x509.load_pem_x509_certificate(pem).public_key()
    return cuid_from_identity(
        public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def cuid_from_identity(identity: bytes) -> str:
    """The cuid for a DER SubjectPublicKeyInfo, a raw public key or a PSK identity."""
    return _base64url(sha256(identity).digest()[:CUID_BYTES])


def random_cuid(rng: Rng) -> str:
    """A random UUID as cuid, for use after a collision (RFC 9132 section 4.4.1.1)."""
    return _base64url(UUID(int=rng.getrandbits(128), version=4).bytes)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
