"""Read certificates and keys from pasted text, with an error sentence for anything else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from dots_client.credentials.pem import PemBlock, blocks
from dots_client.errors import CredentialsError
from dots_client.text import clean_text
from dots_client.transport.certificate_verification import common_name

MAX_PEM_BYTES: Final = 128 * 1024
"""More than all the authorities in browsers need."""
MIN_RSA_BITS: Final = 2048
"""RFC 9325 section 4.5."""
CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""The curves that DTLS 1.2 servers accept in a client's certificate: OpenSSL refuses all others as
wrong curves."""
UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""The errors that `cryptography` raises for an unreadable certificate or key."""

CHAIN: Final = "certificate_chain"
KEY: Final = "private_key"
ANCHORS: Final = "trust_anchors"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CERTIFICATE: Final = ("CERTIFICATE", "X509 CERTIFICATE")
_INSTEAD: Final = {
    "CERTIFICATE REQUEST": "a request for a certificate",
    "NEW CERTIFICATE REQUEST": "a request for a certificate",
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's own form",
    "PUBLIC KEY": "a public key",
    "PKCS7": "a PKCS#7 container",
    "X509 CRL": "a revocation list",
}
_USE: Final = f"Use an elliptic curve key (P-256), or RSA with at least {MIN_RSA_BITS:,} bits."


def problem(part: str, code: str, reason: str) -> CredentialsError:
    return CredentialsError(part, code, reason)


def certificates(text: bytes, part: str, *, most: int) -> list[x509.Certificate]:
    """The certificates in `text` in order, without duplicates."""
    if len(text) > MAX_PEM_BYTES:
        raise problem(
            part,
            "too-long",
            (
                f"This has {len(text):,} bytes: at most {MAX_PEM_BYTES:,} are read. Paste the "
                f"certificates alone."
            ),
        )
    every = blocks(text)
    found = [block for block in every if block.label in _CERTIFICATE]
    if not found:
        raise problem(part, "no-certificate", _what_instead(every))
    if len(found) > most:
        raise problem(
            part, "too-many", f"These are {len(found):,} certificates: at most {most} are taken."
        )
    read: list[x509.Certificate] = []
    for place, block in enumerate(found, start=1):
        which = f"Certificate {place} of {len(found)}" if len(found) > 1 else "The certificate"
        read.append(_certificate(block, which, part))
    return list(dict.fromkeys(read))


def _what_instead(every: Sequence[PemBlock]) -> str:
    label = every[0].label if every else ""
    what = "a private key" if label.endswith("PRIVATE KEY") else _INSTEAD.get(label, "")
    no_certificate = f"This is {what}, not a certificate." if what else "This is no certificate."
    return (
        f"{no_certificate} Paste it in PEM form, from -----BEGIN CERTIFICATE-----"
        " to -----END CERTIFICATE-----."
    )


def _certificate(block: PemBlock, which: str, part: str) -> x509.Certificate:
    if not block.text:
        raise problem(part, "cut-off", f"{which} is cut off: its END line is missing.")
    try:
        certificate = x509.load_pem_x509_certificate(block.text)
        # Read now everything that later checks need, because a certificate is decoded lazily.
        _ = (certificate.subject.rfc4514_string(), certificate.issuer, certificate.extensions)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except UNREADABLE:
        raise problem(
            part, "unreadable", f"{which} cannot be read. Paste it again, whole."
        ) from None
    return certificate


def private_key(text: bytes) -> PrivateKey:
    """The one private key in `text`, of a kind that DTLS 1.2 and TLS can use."""
    if len(text) > MAX_PEM_BYTES:
        raise problem(KEY, "too-long", "This is too long for a private key.")
    found = [block for block in blocks(text) if block.label.endswith("PRIVATE KEY")]
    if not found:
        raise problem(
            KEY,
            "no-key",
            "This is no private key. Paste it in PEM form, from -----BEGIN PRIVATE KEY-----"
            " to -----END PRIVATE KEY-----.",
        )
    if len(found) > 1:
        raise problem(KEY, "too-many", f"These are {len(found)} private keys. Paste one.")
    [block] = found
    if block.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block.text:
        raise problem(
            KEY,
            "encrypted",
            "The private key is encrypted. Remove the passphrase first: openssl pkey -in FILE.",
        )
    try:
        key = load_pem_private_key(block.text, password=None)
    except UnsupportedAlgorithm:
        raise problem(
            KEY, "unusable-key", f"This kind of private key is not supported. {_USE}"
        ) from None
    except UNREADABLE:
        raise problem(
            KEY, "unreadable", "The private key cannot be read. Paste it again, whole."
        ) from None
    return _usable(key)


def _usable(key: PrivateKeyTypes) -> PrivateKey:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, CURVES):
            return key
        raise problem(
            KEY,
            "unusable-key",
            f"The private key is on the curve {key.curve.name}, which servers refuse. {_USE}",
        )
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size >= MIN_RSA_BITS:
            return key
        raise problem(
            KEY,
            "unusable-key",
            f"The private key has {key.key_size:,} bits, which is too short. {_USE}",
        )
    kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    raise problem(
        KEY, "unusable-key", f"A private key of the kind {kind} cannot be used with DTLS. {_USE}"
    )


def public(certificate: x509.Certificate) -> bytes | None:
    """Its public key in DER; None for an unknown algorithm."""
    try:
        key = certificate.public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE:
        return None


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed it.

    Compares only names if `cryptography`, unlike OpenSSL, lacks the algorithm.
    """
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return True
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def as_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def name(certificate: x509.Certificate) -> str:
    text = common_name(certificate) or certificate.subject.rfc4514_string()
    return clean_text(text, 100) or "nobody"


def day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
