from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.transport.certificate_verification import Verification, is_ip_address
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.engine import State
from dots_client.transport.handshake_failures import failure_in_words
from dots_client.transport.tls_contexts import client_context, tls_client_context
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.credentials.made import certificate, key_pem
from tests.dots_client.credentials.odd import SM2_KEY
from tests.dots_client.transport.test_dtls_engine import client_of, server_of, talk

Issue = Callable[[Authority], Credentials]


def handshake(
    client_credentials: Credentials, server_credentials: Credentials, *, name: str
) -> tuple[DtlsEngine, DtlsEngine]:
    client, server = client_of(client_credentials, name=name), server_of(server_credentials)
    client.start()
    talk(client, server)
    return client, server


@pytest.mark.parametrize("name", ["provider.example", "127.0.0.1", "::1"])
@pytest.mark.rule("SC-117")
def test_a_server_is_accepted_by_a_name_in_its_certificate(authority: Authority, name: str) -> None:
    client, server = handshake(authority.client(), authority.server(), name=name)

    assert client.state is State.ESTABLISHED
    assert server.state is State.ESTABLISHED


@pytest.mark.parametrize(
    ("issue", "name", "words"),
    [
        (
            lambda ca: ca.server(names=("other.example",)),
            "provider.example",
            "the server's certificate is for other.example, not for provider.example",
        ),
        (
            lambda ca: ca.server(names=("192.0.2.1",)),
            "127.0.0.1",
            "the server's certificate is for 192.0.2.1, not for 127.0.0.1",
        ),
        (
            lambda ca: ca.server(names=()),
            "provider.example",
            "the server's certificate is for no name at all, not for provider.example",
        ),
        (lambda ca: ca.server(age_days=40), "provider.example", "the server's certificate expired"),
        (
            lambda ca: ca.server(age_days=-3),
            "provider.example",
            "the server's certificate is not valid before",
        ),
        (
            lambda _ca: Authority("Unknown authority").server(),
            "provider.example",
            "the server's certificate is signed by an authority that is not trusted here",
        ),
        (
            lambda ca: ca.client(),
            "provider.example",
            "the server's certificate was issued for another purpose",
        ),
    ],
)
@pytest.mark.rule("SC-117")
def test_a_refused_server_is_reported_with_the_reason(
    authority: Authority, issue: Issue, name: str, words: str
) -> None:
    server_credentials = trusting(issue(authority), authority)

    client, server = handshake(authority.client(), server_credentials, name=name)

    assert client.state is State.CLOSED
    assert client.reason.startswith(words)
    assert server.state is State.CLOSED, "the alert has to reach the server"


@pytest.mark.parametrize(
    ("issue", "words", "server_words"),
    [
        (
            lambda _ca: Authority("Unknown authority").client(),
            "the server does not trust the authority that signed our certificate",
            "the client's certificate is signed by an authority that is not trusted here",
        ),
        (
            lambda ca: ca.client(age_days=40),
            "the server says that our certificate has expired",
            "the client's certificate expired",
        ),
        (
            lambda ca: ca.server(),
            "the server refused our certificate: issued for another purpose",
            "the client's certificate was issued for another purpose",
        ),
    ],
)
def test_a_client_learns_why_it_was_refused(
    authority: Authority, issue: Issue, words: str, server_words: str
) -> None:
    client_credentials = trusting(issue(authority), authority)

    client, server = handshake(client_credentials, authority.server(), name="provider.example")

    assert (client.state, client.reason) == (State.CLOSED, words)
    assert server.reason.startswith(server_words)


def test_an_expired_link_of_the_chain_is_named(authority: Authority) -> None:
    intermediate = Authority("Intermediate", issuer=authority)
    server = intermediate.server()
    chained = replace(
        server,
        certificate_chain=server.certificate_chain + intermediate.pem,
        trust_anchors=authority.pem,
    )

    client, _ = handshake(authority.client(), chained, name="provider.example")

    assert client.state is State.ESTABLISHED


def short_key() -> dict[str, bytes]:
    key = rsa.generate_private_key(65537, 1024)
    return {"certificate_chain": certificate(key), "private_key": key_pem(key)}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda good, other: replace(good, certificate_chain=b"nonsense"), "cannot be read"),
        (lambda good, other: replace(good, private_key=b"nonsense"), "cannot be read"),
        (lambda good, other: replace(good, trust_anchors=b""), "cannot be read"),
        (
            lambda good, other: replace(good, private_key=other.private_key),
            "our private key does not belong to our certificate",
        ),
        (lambda good, other: replace(good, private_key=SM2_KEY), "cannot be read"),
        (
            lambda good, other: replace(good, **short_key()),
            "the key of our certificate is too short",
        ),
    ],
)
def test_credentials_that_cannot_be_used_are_named(
    authority: Authority,
    spoil: Callable[[Credentials, Credentials], Credentials],
    words: str,
) -> None:
    with pytest.raises(HandshakeFailed, match=words):
        client_context(spoil(authority.client(), authority.client()))


def test_clients_with_the_same_authorities_share_a_context_and_keep_their_own_identity(
    authority: Authority,
) -> None:
    contexts = [client_context(authority.client()) for _ in range(2)]
    one, other = (context.connection() for context in contexts)

    assert contexts[0].shared is contexts[1].shared
    assert one.get_certificate(as_cryptography=True) == contexts[0].certificate
    assert other.get_certificate(as_cryptography=True) == contexts[1].certificate
    assert contexts[0].certificate != contexts[1].certificate
    assert client_context(Authority().client()).shared is not contexts[0].shared
    assert client_context(authority.client(), resumes=True).shared is not contexts[0].shared
    assert tls_client_context(authority.client()).shared is not contexts[0].shared


@pytest.mark.rule("SC-115")
@pytest.mark.rule("SC-116")
def test_only_authenticated_encryption_with_ephemeral_keys_is_offered(
    authority: Authority,
) -> None:
    connection = client_context(authority.client()).connection()

    suites = [suite for suite in connection.get_cipher_list() if not suite.startswith("TLS_")]

    assert suites[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert all(suite.startswith("ECDHE-") for suite in suites)
    assert all(any(mode in suite for mode in ("GCM", "CCM", "POLY1305")) for suite in suites)


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ([("SSL routines", "", "ssl/tls alert access denied")], "knows our certificate and denies"),
        ([("SSL routines", "", "tlsv1 alert protocol version")], "does not speak DTLS 1.2"),
        ([("SSL routines", "", "tlsv1 alert internal error")], "ended the handshake: internal"),
        ([("SSL routines", "", "no shared cipher")], "shares no cipher suite with us"),
        ([("SSL routines", "", "unheard of")], "the handshake failed: unheard of"),
    ],
)
def test_every_failure_has_a_sentence(reasons: list[tuple[str, str, str]], words: str) -> None:
    assert words in failure_in_words(SSL.Error(reasons), Verification(peer="server"))


def test_a_failure_without_reasons_has_a_text_too() -> None:
    error = SSL.SysCallError(-1, "Unexpected EOF")

    assert failure_in_words(error, Verification(peer="server")).startswith("the handshake failed")


@pytest.mark.parametrize(
    ("name", "expected"), [("192.0.2.1", True), ("2001:db8::1", True), ("a.example", False)]
)
def test_names_and_addresses_are_distinguished(name: str, expected: bool) -> None:
    assert is_ip_address(name) is expected
