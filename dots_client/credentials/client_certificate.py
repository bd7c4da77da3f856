"""The client's identity: a certificate, its issuers and its key."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from dots_client.credentials.contexts import build_contexts
from dots_client.credentials.reading import (
    CHAIN,
    KEY,
    PrivateKey,
    as_pem,
    certificates,
    day,
    is_issued_by,
    name,
    private_key,
    problem,
    public,
)

MAX_CHAIN: Final = 10
"""Certificates in one chain: OpenSSL does not verify longer ones by default."""


def client_identity(chain: bytes, key: bytes, *, now: datetime) -> tuple[bytes, bytes]:
    """A client's certificate chain and private key as PEM in normal form.

    CredentialsError when they cannot work.

    Returns the chain with the client's certificate first and each issuer after it, and the key as
    PKCS#8. Everything else in the two texts is left out.
    """
    own_key = private_key(key)
    path = _path(certificates(chain, CHAIN, most=MAX_CHAIN), own_key)
    for place, certificate in enumerate(path):
        _check_dates(certificate, place, now=now)
    _check_purpose(path[0])
    normal_chain = as_pem(path)
    normal_key = own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # The peer's authority does not matter here: any certificate works for the contexts.
    build_contexts(normal_chain, normal_key, normal_chain, part=CHAIN)
    return normal_chain, normal_key


def _path(given: list[x509.Certificate], key: PrivateKey) -> list[x509.Certificate]:
    """The certificate of `key`, followed by each issuer in turn."""
    wanted = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = next((one for one in given if public(one) == wanted), None)
    if own is None:
        raise problem(KEY, "not-its-key", "The key does not belong to the certificate.")
    path, left = [own], [one for one in given if one is not own]
    while issuer := next((one for one in left if is_issued_by(path[-1], one)), None):
        path.append(issuer)
        left.remove(issuer)
    if left:
        raise problem(
            CHAIN,
            "broken-chain",
            f"The certificate of {name(left[0])} does not belong to the chain: it did not sign "
            f"that of"
            f" {name(path[-1])}. Leave it out, or add what is missing between the two.",
        )
    return path


def _check_dates(certificate: x509.Certificate, place: int, *, now: datetime) -> None:
    whose = "The certificate" if place == 0 else f"The certificate of {name(certificate)}"
    if certificate.not_valid_after_utc < now:
        ended = day(certificate.not_valid_after_utc)
        raise problem(CHAIN, "expired", f"{whose} expired on {ended}.")
    if certificate.not_valid_before_utc > now:
        begins = day(certificate.not_valid_before_utc)
        raise problem(
            CHAIN, "not-yet-valid", f"{whose} is not valid before {begins}. Enter it then."
        )


def _check_purpose(certificate: x509.Certificate) -> None:
    """The purposes that a server may require of a client's certificate.

    RFC 5280 sections 4.2.1.3, 4.2.1.12.
    """
    extensions = certificate.extensions
    try:
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = None
    allowed = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if purposes is not None and not any(one in allowed for one in purposes):
        raise problem(
            CHAIN,
            "wrong-purpose",
            (
                "The certificate was issued for another purpose than to identify a client "
                "(clientAuth)."
            ),
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.digital_signature or usage.key_agreement):
        raise problem(
            CHAIN,
            "wrong-purpose",
            "The certificate does not allow its key to sign (digitalSignature).",
        )
