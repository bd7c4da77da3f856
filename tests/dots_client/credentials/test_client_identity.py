"""A client's pasted certificate and key: put in order, or refused with a reason."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st
from OpenSSL import SSL

from dots_client import Credentials, HandshakeFailed
from dots_client.credentials import MAX_PEM_BYTES, CredentialsError, client_identity
from tests.dots_client.authority import Authority
from tests.dots_client.credentials.made import (
    DAY,
    NOW,
    certificate,
    ec_key,
    handshake,
    key_pem,
)
from tests.dots_client.credentials.odd import (
    SECT283K1_CHAIN,
    SECT283K1_KEY,
    SM2_CHAIN,
    SM2_KEY,
    WHEN_ODD_ONES_ARE_VALID,
)

ROOT = Authority("Root")
MIDDLE = Authority("Middle", issuer=ROOT)
KEY = ec_key()
OWN, SECRET = certificate(KEY, by=MIDDLE), key_pem(KEY)
CHAIN = OWN + MIDDLE.pem + ROOT.pem


def refusal(chain: bytes, key: bytes, *, now: datetime = NOW) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        client_identity(chain, key, now=now)
    return caught.value


def server() -> Credentials:
    credentials = ROOT.server()
    return Credentials(
        certificate_chain=credentials.certificate_chain,
        private_key=credentials.private_key,
        trust_anchors=ROOT.pem,
    )


# putting in order


OLD_FORM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
BAG = "Bag Attributes\n    friendlyName: Rechenzentrum Köln\n".encode()


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (CHAIN, SECRET),
        (b"\xef\xbb\xbf" + CHAIN, b"\xef\xbb\xbf" + SECRET),
        (BAG + OWN + BAG + MIDDLE.pem + BAG + ROOT.pem, BAG + SECRET),
        (ROOT.pem + MIDDLE.pem + OWN, SECRET),
        (CHAIN + OWN + ROOT.pem, SECRET),
        (CHAIN + SECRET, CHAIN + SECRET),
        (CHAIN.replace(b"\n", b"\r\n"), SECRET.replace(b"\n", b"\r\n")),
        (CHAIN, PARAMETERS + OLD_FORM),
        (b"# our own\n\xff\xfe" + CHAIN + "– 東京".encode(), SECRET),
    ],
    ids=[
        "plain", "byte order mark", "bag attributes", "wrong order", "twice", "one file", "CRLF",
        "parameters",
        "comments",
    ],
)  # fmt: skip
def test_only_the_certificates_and_the_key_are_read_from_the_surrounding_text(
    chain: bytes, key: bytes
) -> None:
    assert client_identity(chain, key, now=NOW) == (CHAIN, SECRET)


def test_a_chain_is_ordered_from_the_clients_certificate_up() -> None:
    kept, _ = client_identity(MIDDLE.pem + OWN, SECRET, now=NOW)

    assert kept == OWN + MIDDLE.pem


# keys


GOOD_KEYS: dict[str, Callable[[], Any]] = {
    "P-256": ec_key,
    "P-384": lambda: ec_key(ec.SECP384R1()),
    "P-521": lambda: ec_key(ec.SECP521R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA 3072": lambda: rsa.generate_private_key(65537, 3072),
}
BAD_KEYS: dict[str, Callable[[], Any]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "DSA": lambda: dsa.generate_private_key(2048),
    "1,024": lambda: rsa.generate_private_key(65537, 1024),
    "secp256k1": lambda: ec_key(ec.SECP256K1()),
    "secp224r1": lambda: ec_key(ec.SECP224R1()),
    "secp192r1": lambda: ec_key(ec.SECP192R1()),
    "brainpoolP256r1": lambda: ec_key(ec.BrainpoolP256R1()),
}


def shaken(key: Any, version: int) -> bool:
    """Whether a real handshake with these credentials works."""
    credentials = Credentials(
        certificate_chain=certificate(key, by=ROOT),
        private_key=key_pem(key),
        trust_anchors=ROOT.pem,
    )
    try:
        return handshake(credentials, server(), version=version) == ""
    except HandshakeFailed:
        return False


@pytest.mark.parametrize("make", GOOD_KEYS.values(), ids=GOOD_KEYS)
def test_an_accepted_key_works_in_a_handshake(make: Callable[[], Any]) -> None:
    key = make()

    assert client_identity(certificate(key, by=ROOT), key_pem(key), now=NOW)
    assert shaken(key, SSL.TLS1_2_VERSION)
    assert shaken(key, SSL.TLS1_3_VERSION)


@pytest.mark.parametrize(("named", "make"), BAD_KEYS.items(), ids=BAD_KEYS)
def test_an_unusable_key_is_refused_with_advice(named: str, make: Callable[[], Any]) -> None:
    key = make()

    error = refusal(certificate(key, by=ROOT), key_pem(key))

    assert (error.part, error.code) == ("private_key", "unusable-key")
    assert named in error.reason
    assert "P-256" in error.reason
    # Common to DTLS 1.2 and TLS 1.2.
    assert not shaken(key, SSL.TLS1_2_VERSION)


@pytest.mark.parametrize(("chain", "key"), [(SECT283K1_CHAIN, SECT283K1_KEY), (SM2_CHAIN, SM2_KEY)])
def test_an_unknown_curve_is_refused_with_a_sentence(chain: bytes, key: bytes) -> None:
    assert refusal(chain, key, now=WHEN_ODD_ONES_ARE_VALID).code == "unusable-key"
    assert refusal(chain, SECRET, now=WHEN_ODD_ONES_ARE_VALID).code == "not-its-key"
    assert refusal(CHAIN, key).code == "unusable-key"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (b"", "no-key"),
        (b"y", "no-key"),
        (CHAIN, "no-key"),
        (SECRET + key_pem(ec_key()), "too-many"),
        (key_pem(ec_key()), "not-its-key"),
        (SECRET[:-30], "unreadable"),
        (SECRET.replace(b"M", b"!", 1), "unreadable"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "encrypted"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL,
        BestAvailableEncryption(b"x")), "encrypted"),
        (b"x" * (MAX_PEM_BYTES + 1), "too-long"),
    ],
    ids=["empty", "text", "certificate", "two", "another", "cut off", "damaged", "encrypted",
    "encrypted, old form", "huge"],
)  # fmt: skip
def test_an_unusable_key_has_an_error_code(key: bytes, code: str) -> None:
    error = refusal(CHAIN, key)

    assert (error.part, error.code) == ("private_key", code)
    assert error.reason.endswith(".")


# certificates


def own(**changes: Any) -> bytes:
    return certificate(KEY, by=MIDDLE, **changes)


SERVER_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
SIGNS_NOTHING = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=True,
    data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False,
    decipher_only=False,
)  # fmt: skip
DER = base64.b64decode(b"".join(OWN.splitlines()[1:-1]))


@pytest.mark.parametrize(
    ("chain", "code", "words"),
    [
        (b"hello", "no-certificate", "BEGIN CERTIFICATE"),
        (DER, "no-certificate", "BEGIN CERTIFICATE"),
        (SECRET, "no-certificate", "This is a private key, not a certificate."),
        (OWN.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"), "no-certificate",
        "a request for a certificate"),
        (OWN.replace(b"CERTIFICATE", b"PKCS7"), "no-certificate", "a PKCS#7 container"),
        (OWN[:-20], "cut-off", "The certificate is cut off"),
        (OWN + MIDDLE.pem[:200], "cut-off", "Certificate 2 of 2 is cut off"),
        (OWN + MIDDLE.pem[:200] + ROOT.pem, "cut-off", "Certificate 2 of 3 is cut off"),
        (OWN + MIDDLE.pem.replace(b"MI", b"\xc3\xa4", 1) + ROOT.pem, "unreadable",
        "Certificate 2 of 3"),
        (OWN + ROOT.pem, "broken-chain", "The certificate of Root does not belong to the chain"),
        (CHAIN + Authority("Other").pem, "broken-chain", "The certificate of Other"),
        (own(ends=NOW - DAY), "expired", f"The certificate expired on {NOW - DAY:%Y-%m-%d}."),
        (own(begins=NOW + DAY), "not-yet-valid",
        f"is not valid before {NOW + DAY:%Y-%m-%d}. Enter it then."),
        (own(extensions=(SERVER_ONLY,)), "wrong-purpose", "clientAuth"),
        (own(extensions=(SIGNS_NOTHING,)), "wrong-purpose", "digitalSignature"),
        (OWN * 11, "too-many", "These are 11 certificates"),
        (b"x" * (MAX_PEM_BYTES + 1), "too-long", "131,073 bytes"),
    ],
)  # fmt: skip
def test_an_unusable_chain_has_an_error_code_and_a_sentence(
    chain: bytes, code: str, words: str
) -> None:
    error = refusal(chain, SECRET)

    assert (error.part, error.code) == ("certificate_chain", code)
    assert words in error.reason


def test_an_issuer_that_expired_is_named() -> None:
    error = refusal(CHAIN, SECRET, now=NOW + 40 * DAY)

    assert error.reason.startswith("The certificate of Middle expired on")


# any paste


@given(
    st.sampled_from([CHAIN, SECRET, OWN, SECT283K1_CHAIN, SM2_KEY]),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=3)), max_size=4),
    st.sampled_from([CHAIN, SECRET, OWN]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=4),
)
def test_damaged_text_works_or_gets_an_error_sentence(
    chain: bytes, damages: list[tuple[int, bytes]], key: bytes, more: list[tuple[int, bytes]]
) -> None:
    assert_told_or_works(damaged(chain, damages), damaged(key, more))


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.integers(0, 255)), max_size=4))
@example([(11, 1)])  # version 2, which no certificate has
@example([(14, 128)])  # a negative serial number, which cryptography warns of
def test_a_damaged_certificate_works_or_gets_an_error_sentence(
    damages: list[tuple[int, int]],
) -> None:
    der = bytearray(DER)
    for place, value in damages:
        der[place] = value
    encoded = base64.encodebytes(bytes(der))
    chain = b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"

    assert_told_or_works(chain + MIDDLE.pem, SECRET)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_other_text_gets_an_error_sentence(chain: bytes, key: bytes) -> None:
    assert_told_or_works(chain, key)


def damaged(text: bytes, damages: list[tuple[int, bytes]]) -> bytes:
    for place, instead in damages:
        text = text[:place] + instead + text[place + 1 :]
    return text


def assert_told_or_works(chain: bytes, key: bytes) -> None:
    try:
        kept, secret = client_identity(chain, key, now=NOW)
    except CredentialsError as error:
        raised = error
    else:
        assert client_identity(kept, secret, now=NOW) == (kept, secret)
        return
    assert raised.code
    assert raised.reason.isprintable()
    assert raised.part in ("certificate_chain", "private_key")
