"""Whether the peer's certificate is acceptable, and the words for why it is not.

RFC 9132 section 8, RFC 9525.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

import service_identity
from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)

from dots_client.failures import FailureKind, FailureText
from dots_client.text import clean_text

_UNREADABLE: Final = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_UNTRUSTED: Final = "is signed by an authority that is not trusted here"
_CHAIN_PROBLEMS: Final[Mapping[int, str]] = {
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_CERT_SIGNATURE_FAILURE: _UNTRUSTED,
    SSL.X509VerificationCodes.ERR_CERT_REVOKED: "was revoked",
    SSL.X509VerificationCodes.ERR_UNABLE_TO_GET_CRL: "cannot be checked: its authority's "
    "revocation list is missing",
    SSL.X509VerificationCodes.ERR_CRL_HAS_EXPIRED: "cannot be checked: its authority's "
    "revocation list is out of date",
    SSL.X509VerificationCodes.ERR_INVALID_PURPOSE: "was issued for another purpose",
    SSL.X509VerificationCodes.ERR_INVALID_CA: "may not sign other certificates",
}


@dataclass(slots=True)
class Verification:
    """What the callbacks of OpenSSL need to know about one connection, and what they found."""

    peer: str
    "`server` or `client`: what the peer is to us"
    expected_name: str | None = None
    "DNS name or IP address that the peer's certificate must be for; None: any"
    address: bytes = b""
    "the address that a cookie is bound to"
    problem: str | None = None
    has_seen_certificate: bool = False
    "False after a handshake that resumed a session: OpenSSL then verifies no certificate"
    protocol: str = "DTLS 1.2"
    "the oldest version that we accept"


def verify(
    connection: SSL.Connection,
    certificate: crypto.X509,
    error_number: int,
    depth: int,
    chain_is_good: int,
) -> bool:
    """OpenSSL's verify callback for one certificate of the chain: whether to accept it."""
    verification: Verification = connection.get_app_data()
    verification.has_seen_certificate = True
    try:
        read = certificate.to_cryptography()
        # Read the name now, while the certificate can be refused, not later when a caller asks for
        # it.
        common_name(read)
        if not chain_is_good:
            verification.problem = _chain_problem(read, error_number, depth, peer=verification.peer)
        elif depth == 0 and verification.expected_name is not None:
            verification.problem = _name_problem(
                read, verification.expected_name, peer=verification.peer
            )
    except _UNREADABLE:
        # OpenSSL accepts certificates that cryptography does not.
        whose = "certificate" if depth == 0 else "chain of certificates"
        verification.problem = FailureText(
            f"the {verification.peer}'s {whose} cannot be read", FailureKind.BAD_CERTIFICATE
        )
    # The result replaces the verdict on the chain: True would accept a bad one.
    return verification.problem is None


def problem_of_resumed(
    certificate: x509.Certificate | None, verification: Verification
) -> str | None:
    """Check the certificate after a resumed handshake, which skips the verify callback."""
    if certificate is None:
        named = verification.expected_name is not None
        return f"the {verification.peer} has shown no certificate" if named else None
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        number = SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED
        return _chain_problem(certificate, number, 0, peer=verification.peer)
    if verification.expected_name is None:
        return None
    return _name_problem(certificate, verification.expected_name, peer=verification.peer)


def _chain_problem(
    certificate: x509.Certificate, error_number: int, depth: int, *, peer: str
) -> str:
    subject = (
        f"the {peer}'s certificate"
        if depth == 0
        else f"the certificate of {clean_text(common_name(certificate)) or 'an authority'}, "
        f"in the chain of the {peer}'s,"
    )
    if error_number == SSL.X509VerificationCodes.ERR_CERT_HAS_EXPIRED:
        text = f"{subject} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        return FailureText(text, FailureKind.EXPIRED)
    if error_number == SSL.X509VerificationCodes.ERR_CERT_NOT_YET_VALID:
        text = f"{subject} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
        return FailureText(text, FailureKind.NOT_YET_VALID)
    why = _CHAIN_PROBLEMS.get(error_number, f"did not verify (code {error_number})")
    kind = FailureKind.UNTRUSTED if why == _UNTRUSTED else FailureKind.BAD_CERTIFICATE
    return FailureText(f"{subject} {why}", kind)


def _name_problem(certificate: x509.Certificate, expected: str, *, peer: str) -> str | None:
    try:
        if is_ip_address(expected):
            verify_certificate_ip_address(certificate, expected)
        else:
            verify_certificate_hostname(certificate, expected)
    except (service_identity.VerificationError, service_identity.CertificateError):
        names = clean_text(", ".join(_subject_alternative_names(certificate)))
        text = f"the {peer}'s certificate is for {names or 'no name at all'}, not for {expected}"
        return FailureText(text, FailureKind.WRONG_NAME)
    except _UNREADABLE:
        text = f"the names in the {peer}'s certificate cannot be read"
        return FailureText(text, FailureKind.BAD_CERTIFICATE)
    return None


def is_ip_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _subject_alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    ]


def common_name(certificate: x509.Certificate) -> str:
    """The name exactly as in the certificate, to tell clients apart. Clean it before showing it."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
