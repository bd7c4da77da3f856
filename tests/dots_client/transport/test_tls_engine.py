from __future__ import annotations

import pytest
from OpenSSL import SSL

from dots_client.identity import Credentials
from dots_client.transport.certificate_verification import Verification
from dots_client.transport.tls_contexts import tls_client_context, tls_server_context
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority


def talk(client: TlsEngine, server: TlsEngine) -> None:
    client.start()
    for _ in range(6):
        server.receive(client.bytes_to_send())
        client.receive(server.bytes_to_send())


def tls_server_of(credentials: Credentials) -> TlsEngine:
    return TlsEngine.server(tls_server_context(credentials, require_client_certificate=True))


@pytest.mark.rule("SC-123")
def test_a_client_without_a_certificate_learns_why_it_is_refused(authority: Authority) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    client = TlsEngine(
        connection := SSL.Connection(context), Verification(peer="server", protocol="TLS 1.2")
    )
    connection.set_connect_state()
    server = tls_server_of(authority.server())

    talk(client, server)

    assert client.reason == "the server requires a certificate and got none"
    assert server.reason == "the client sent no certificate"


@pytest.mark.rule("SC-115")
@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("15030100020246", "the server does not speak TLS 1.2"),
        ("15030300020278", "the server does not serve CoAP there (ALPN)"),
        ("15030300020228", "the server refused the handshake: it may require another certificate"),
    ],
)
def test_an_alert_of_the_server_is_reported_with_the_reason(
    authority: Authority, alert: str, words: str
) -> None:
    client = TlsEngine.client(tls_client_context(authority.client()), peer_name="provider.example")
    client.start()
    client.receive(bytes.fromhex(alert))

    assert client.reason.startswith(words)


@pytest.mark.rule("SC-115")
def test_a_client_that_speaks_only_old_tls_is_refused(authority: Authority) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    connection = SSL.Connection(context)
    connection.set_connect_state()
    client = TlsEngine(connection, Verification(peer="server", protocol="TLS 1.2"))
    server = tls_server_of(authority.server())

    talk(client, server)

    assert server.reason == "the client does not speak TLS 1.2"
    assert client.reason == "the server does not speak TLS 1.2"


@pytest.mark.rule("SC-116")
@pytest.mark.rule("SS-087")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_encryption_is_authenticated_in_every_version(authority: Authority, version: int) -> None:
    context = tls_server_context(authority.server(), require_client_certificate=True)
    context.set_max_proto_version(version)
    client = TlsEngine.client(tls_client_context(authority.client()), peer_name="provider.example")
    server = TlsEngine.server(context)

    talk(client, server)

    assert "GCM" in (client._connection.get_cipher_name() or "")
    assert client.protocol_selected == b"coap"
    assert client.peer_certificate is not None
