"""Both ends of sessions that are resumed."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL

from dots_client.transport.certificate_verification import Verification
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.tls_contexts import client_context, server_context
from tests.dots_client.authority import Authority
from tests.dots_client.transport.test_dtls_engine import MTU, talk

WITH_TICKETS = ServerSettings(hands_out_tickets=True)


class Pair:
    """The two engines of each of several sessions between the same peers."""

    def __init__(self, authority: Authority) -> None:
        self._client = client_context(authority.client(), resumes=True)
        self._server = server_context(
            authority.server(),
            require_client_certificate=True,
            cookie=lambda address: address,
            hands_out_tickets=True,
        )

    def client(
        self,
        session: SSL.Session | None = None,
        *,
        name: str = "provider.example",
        mtu: int = MTU,
    ) -> DtlsEngine:
        return DtlsEngine.client(self._client, peer_name=name, mtu=mtu, session=session)

    def server(self) -> DtlsEngine:
        connection = SSL.Connection(self._server)
        connection.set_accept_state()
        return DtlsEngine(connection, Verification(peer="client"), mtu=MTU)

    def shake(
        self, session: SSL.Session | None = None, **choices: Any
    ) -> tuple[DtlsEngine, DtlsEngine]:
        server, client = self.server(), self.client(session, **choices)
        client.start()
        talk(client, server)
        return client, server


def carry(sender: DtlsEngine, receiver: DtlsEngine) -> None:
    for datagram in sender.datagrams_to_send():
        receiver.receive(datagram)
