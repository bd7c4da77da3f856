"""One TLS session without any I/O: bytes of the connection on one side, cleartext on the other."""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from dots_client.transport.certificate_verification import Verification
from dots_client.transport.engine import Engine, State, client_connection
from dots_client.transport.tls_contexts import ClientContext

PROTOCOL: Final = "TLS 1.2"


class TlsEngine(Engine):
    def __init__(self, connection: SSL.Connection, verification: Verification) -> None:
        super().__init__(connection, verification)
        self.protocol_selected = b""
        "the protocol selected by ALPN; known once established"

    @classmethod
    def client(
        cls, context: ClientContext, *, peer_name: str, session: SSL.Session | None = None
    ) -> TlsEngine:
        connection = client_connection(context, peer_name, session)
        verification = Verification(peer="server", expected_name=peer_name, protocol=PROTOCOL)
        return cls(connection, verification)

    @classmethod
    def server(cls, context: SSL.Context) -> TlsEngine:
        connection = SSL.Connection(context)
        connection.set_accept_state()
        return cls(connection, Verification(peer="client", protocol=PROTOCOL))

    def receive(self, data: bytes) -> bytes:
        """Feed received bytes. Returns their cleartext."""
        if self.state is State.CLOSED or not data:
            return b""
        self._connection.bio_write(data)
        if self.state is State.HANDSHAKING:
            self._continue_handshake()
        return b"".join(self._cleartexts())

    def send(self, cleartext: bytes) -> None:
        assert self.state is State.ESTABLISHED
        self._connection.sendall(cleartext)

    def bytes_to_send(self) -> bytes:
        return self._waiting()

    def _established(self) -> None:
        self.protocol_selected = self._connection.get_alpn_proto_negotiated()
