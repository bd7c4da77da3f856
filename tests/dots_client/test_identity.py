from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random, SystemRandom

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from dots_client import Credentials, cuid_from_certificate, random_cuid


def certificate(key: ec.EllipticCurvePrivateKey, *, serial: int = 1) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.mark.rule("SC-025")
@pytest.mark.rule("SC-026")
@pytest.mark.rule("SC-027")
def test_the_cuid_follows_from_the_key_and_survives_a_new_certificate() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    digest = sha256(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()

    cuid = cuid_from_certificate(certificate(key, serial=1))

    assert cuid == cuid_from_certificate(certificate(key, serial=2))
    assert len(cuid) == 22
    assert urlsafe_b64decode(cuid + "==") == digest[:16]


@pytest.mark.rule("SC-030")
def test_a_random_cuid_is_new_every_time_and_has_22_characters() -> None:
    cuids = {random_cuid(SystemRandom()) for _ in range(20)}

    assert len(cuids) == 20
    assert {len(cuid) for cuid in cuids} == {22}
    assert random_cuid(Random(1)) == random_cuid(Random(1))


def test_credentials_do_not_show_the_private_key() -> None:
    credentials = Credentials(
        certificate_chain=b"chain", private_key=b"secret", trust_anchors=b"anchors"
    )

    assert "secret" not in repr(credentials)
