"""The validity periods of certificates, read from PEM. The checks decide what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Validity:
    """The period in which a certificate is valid."""

    name: str
    begins: datetime
    ends: datetime


def validities(pem: str) -> tuple[Validity, ...]:
    """Every certificate in the text, in its order; none if it cannot be read."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        return tuple(
            Validity(_name(one), one.not_valid_before_utc, one.not_valid_after_utc)
            for one in certificates
        )
    except ValueError:
        return ()


def _name(certificate: x509.Certificate) -> str:
    named = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = named[0].value if named else certificate.subject.rfc4514_string()
    return text if isinstance(text, str) else text.decode(errors="replace")
