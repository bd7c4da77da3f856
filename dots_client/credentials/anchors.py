"""Trust anchors: the authorities that may issue a server's certificate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dots_client.credentials.contexts import build_contexts
from dots_client.credentials.pem import blocks
from dots_client.credentials.reading import (
    ANCHORS,
    MAX_PEM_BYTES,
    MIN_RSA_BITS,
    UNREADABLE,
    as_pem,
    certificates,
    day,
    is_authority,
    is_issued_by,
    name,
    problem,
)
from dots_client.text import clean_text

MAX_ANCHORS: Final = 200


def trust_anchors(text: bytes, *, now: datetime) -> bytes:
    """The authorities that may issue a server's certificate, as PEM in normal form.

    CredentialsError when they could never verify a server. One that is not valid yet may stand
    beside a valid one, as while an authority is being replaced.
    """
    if any(block.label.endswith("PRIVATE KEY") for block in blocks(text[:MAX_PEM_BYTES])):
        raise problem(
            ANCHORS,
            "is-a-key",
            "There is a private key in this text. Paste the certificates of authorities alone.",
        )
    anchors = certificates(text, ANCHORS, most=MAX_ANCHORS)
    roots = [anchor for anchor in anchors if _is_root(anchor)]
    for anchor in anchors:
        if not _leads_to(roots, anchor, anchors):
            raise problem(ANCHORS, "not-a-root", _why_no_root(anchor))
        if _is_too_short(anchor):
            raise problem(
                ANCHORS,
                "unusable-key",
                (
                    f"The key of {name(anchor)} is too short: no certificate that it signed is "
                    f"accepted."
                ),
            )
        if anchor.not_valid_after_utc < now:
            raise problem(
                ANCHORS,
                "expired",
                f"The certificate of {name(anchor)} expired on {day(anchor.not_valid_after_utc)}."
                " Leave it out.",
            )
    begins = min(root.not_valid_before_utc for root in roots)
    if begins > now:
        raise problem(
            ANCHORS, "not-yet-valid", f"No authority is valid before {day(begins)}. Enter it then."
        )
    normal = as_pem(anchors)
    build_contexts(*_any_identity(now), normal, part=ANCHORS)
    return normal


def _is_root(certificate: x509.Certificate) -> bool:
    """Whether a chain can end at this certificate.

    A server's self-signed certificate counts too.
    """
    return is_issued_by(certificate, certificate)


def _leads_to(
    roots: Sequence[x509.Certificate],
    anchor: x509.Certificate,
    anchors: Sequence[x509.Certificate],
) -> bool:
    seen: list[x509.Certificate] = []
    while anchor not in roots:
        seen.append(anchor)
        above = (one for one in anchors if one not in seen and is_issued_by(anchor, one))
        following = next(above, None)
        if following is None:
            return False
        anchor = following
    return True


def _why_no_root(certificate: x509.Certificate) -> str:
    issuer = clean_text(certificate.issuer.rfc4514_string(), 100) or "nobody"
    what = "" if is_authority(certificate) else " is not an authority’s: it"
    return (
        f"The certificate of {name(certificate)}{what} was signed by {issuer}. Paste the "
        f"certificate of"
        " that authority too: verification needs the chain up to a self-signed certificate."
    )


def _is_too_short(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return False
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS


def _any_identity(now: datetime) -> tuple[bytes, bytes]:
    """A throw-away key, to build a context in which only the peer's authorities matter."""
    key = ec.generate_private_key(ec.SECP256R1())
    nobody = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return as_pem([certificate]), secret
