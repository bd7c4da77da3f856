"""Who a DOTS client is: its certificate and key, and the cuid that follows from them."""

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
    """What one side of a (D)TLS session shows and trusts. Lives in memory only."""

    certificate_chain: bytes
    "PEM, the own certificate first"
    private_key: bytes = field(repr=False)
    "PEM, not encrypted"
    trust_anchors: bytes
    "PEM, the authorities the peer's certificate may come from"
    revocation_lists: bytes = b""
    "PEM; with any, a peer's certificate has to be covered by one, and not be on it"


def cuid_from_certificate(pem: bytes) -> str:
    """The cuid RFC 9132 section 4.4.1.1 recommends for the first certificate in `pem`: 22 characters.

    ValueError when there is no certificate in it.
    """
    public_key = x509.load_pem_x509_certificate(pem).public_key()
    return cuid_from_identity(
        public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def cuid_from_identity(identity: bytes) -> str:
    """The cuid for a DER SubjectPublicKeyInfo, a raw public key or a PSK identity."""
    return _base64url(sha256(identity).digest()[:CUID_BYTES])


def random_cuid(rng: Rng) -> str:
    """A cuid nobody can derive, for use after a collision: a random UUID (RFC 9132 section 4.4.1.1)."""
    return _base64url(UUID(int=rng.getrandbits(128), version=4).bytes)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
