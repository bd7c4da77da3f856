"""A new key, and the request to sign a certificate for it (CSR, RFC 2986). Pure but for the
randomness of the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from portal.organizations.models import Organization

MAX_NAME_LENGTH: Final = 64
"""For a common name and an organization's name (RFC 5280 appendix A)."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """Both in PEM. Only kept in memory."""

    private_key: bytes
    signing_request: bytes

    def __repr__(self) -> str:
        return "NewKey(…)"


def new_key(organization: Organization) -> NewKey:
    """A key on P-256, which every DTLS 1.2 server knows. The provider may sign another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization.name[:MAX_NAME_LENGTH]),
            x509.NameAttribute(NameOID.COMMON_NAME, organization.slug[:MAX_NAME_LENGTH]),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    signed = request.add_extension(purpose, critical=False).sign(key, SHA256())
    return NewKey(
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        signing_request=signed.public_bytes(Encoding.PEM),
    )
