"""A provider's pasted authorities: refused with a reason if they can verify no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from dots_client import Credentials
from dots_client.credentials import CredentialsError, trust_anchors
from tests.dots_client.authority import Authority
from tests.dots_client.credentials.made import (
    DAY,
    NOW,
    certificate,
    ec_key,
    handshake,
    key_pem,
    subject,
)
from tests.dots_client.credentials.odd import (
    SECT283K1_CHAIN,
    SHA1_CHAIN,
    SM2_CHAIN,
    WHEN_ODD_ONES_ARE_VALID,
)

ROOT = Authority("Root")
MIDDLE = Authority("Middle", issuer=ROOT)
SERVER = MIDDLE.server()
PRESENTED = replace(
    SERVER, certificate_chain=SERVER.certificate_chain + MIDDLE.pem, trust_anchors=ROOT.pem
)
CLIENT = ROOT.client()


def root(name: str = "Root of old", *, bits: int = 2048, **dates: Any) -> bytes:
    return certificate(
        rsa.generate_private_key(65537, bits),
        name,
        extensions=(x509.BasicConstraints(ca=True, path_length=None),),
        **dates,
    )


def refusal(text: bytes) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        trust_anchors(text, now=NOW)
    assert caught.value.part == "trust_anchors"
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        ROOT.pem,
        b"\xef\xbb\xbf" + ROOT.pem,
        "# Vertrauenswürdig\n".encode() + ROOT.pem + "– Ende".encode(),
        ROOT.pem + ROOT.pem,
    ],
)
def test_only_the_certificates_are_read(text: bytes) -> None:
    assert trust_anchors(text, now=NOW) == ROOT.pem


@pytest.mark.parametrize(
    ("text", "now"),
    [
        (ROOT.pem + MIDDLE.pem, NOW),
        (MIDDLE.pem + ROOT.pem, NOW),
        (ROOT.pem + root(begins=NOW + DAY), NOW),
        (SHA1_CHAIN, WHEN_ODD_ONES_ARE_VALID),
        (SECT283K1_CHAIN, WHEN_ODD_ONES_ARE_VALID),
        (SM2_CHAIN, WHEN_ODD_ONES_ARE_VALID),
    ],
    ids=["with middle", "middle first", "next root", "SHA-1", "sect283k1", "SM2"],
)
def test_anchors_that_may_verify_a_server_are_accepted(text: bytes, now: datetime) -> None:
    assert trust_anchors(text, now=now)


def test_a_self_signed_server_certificate_may_be_pinned() -> None:
    key = ec_key()
    own = certificate(
        key,
        "provider.example",
        extensions=(x509.SubjectAlternativeName([x509.DNSName("provider.example")]),),
    )
    server = Credentials(certificate_chain=own, private_key=key_pem(key), trust_anchors=ROOT.pem)

    kept = trust_anchors(own, now=NOW)

    trusting = replace(CLIENT, trust_anchors=kept)
    assert handshake(trusting, server, version=SSL.TLS1_2_VERSION) == ""


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        (ROOT.pem, True),
        (MIDDLE.pem + ROOT.pem, True),
        (MIDDLE.pem, False),
        (SERVER.certificate_chain, False),
    ],
    ids=["root", "both", "middle alone", "the server's own"],
)
def test_anchors_are_accepted_if_and_only_if_they_verify_a_server(
    text: bytes, is_taken: bool
) -> None:
    trusting = replace(CLIENT, trust_anchors=text)
    works = handshake(trusting, PRESENTED, version=SSL.TLS1_2_VERSION) == ""

    assert works == is_taken
    if is_taken:
        assert trust_anchors(text, now=NOW) == text
    else:
        error = refusal(text)
        assert error.code == "not-a-root"
        assert "Paste the certificate of that authority too" in error.reason


def test_an_authority_with_a_short_key_is_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    anchor = (
        x509.CertificateBuilder()
        .subject_name(subject("Weak"))
        .issuer_name(subject("Weak"))
        .public_key(weak.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(weak, hashes.SHA256())
    )

    error = refusal(anchor.public_bytes(Encoding.PEM))

    assert error.code == "unusable-key"
    assert "Weak" in error.reason


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"hello", "no-certificate", "BEGIN CERTIFICATE"),
        (b"", "no-certificate", "BEGIN CERTIFICATE"),
        (CLIENT.private_key, "is-a-key", "private key"),
        (ROOT.pem + CLIENT.private_key, "is-a-key", "private key"),
        (ROOT.pem + MIDDLE.pem[:100], "cut-off", "Certificate 2 of 2"),
        (ROOT.pem + root(ends=NOW - DAY), "expired", "Root of old expired on"),
        (root(begins=NOW + DAY), "not-yet-valid", "No authority is valid before"),
        (ROOT.pem * 201, "too-many", "201 certificates"),
    ],
)
def test_anchors_that_verify_no_server_have_an_error_code_and_a_sentence(
    text: bytes, code: str, words: str
) -> None:
    error = refusal(text)

    assert error.code == code
    assert words in error.reason


@given(
    st.sampled_from([ROOT.pem, MIDDLE.pem, SECT283K1_CHAIN, CLIENT.private_key]),
    st.lists(st.tuples(st.integers(0, 1500), st.binary(max_size=3)), max_size=4),
)
def test_damaged_text_works_or_gets_an_error_sentence(
    text: bytes, damages: list[tuple[int, bytes]]
) -> None:
    for place, instead in damages:
        text = text[:place] + instead + text[place + 1 :]
    try:
        kept = trust_anchors(text, now=WHEN_ODD_ONES_ARE_VALID if b"GBgc" in text else NOW)
    except CredentialsError as error:
        raised = error
    else:
        assert kept.startswith(b"-----BEGIN CERTIFICATE-----\n")
        return
    assert raised.code
    assert raised.reason.isprintable()
