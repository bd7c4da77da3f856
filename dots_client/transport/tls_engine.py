"""One TLS session without any I/O: bytes of the connection on one side, cleartext on the other."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from OpenSSL import SSL

from dots_client.transport.engine import State, sni
from dots_client.transport.policy import Verification, failure_in_words, is_ip_address

PROTOCOL: Final = "TLS 1.2"
_READ_BYTES: Final = 65536


class TlsEngine:
    def __init__(self, connection: SSL.Connection, verification: Verification) -> None:
        self.state = State.HANDSHAKING
        self.reason = ""
        "why the session is closed, in words"
        self.peer_certificate: x509.Certificate | None = None
        self.protocol_selected = b""
        "by ALPN; known once established"
        self._connection = connection
        self._verification = verification
        connection.set_app_data(verification)

    @classmethod
    def client(cls, context: SSL.Context, *, peer_name: str) -> TlsEngine:
        connection = SSL.Connection(context)
        connection.set_connect_state()
        if not is_ip_address(peer_name):
            connection.set_tlsext_host_name(sni(peer_name))
        verification = Verification(peer="server", expected_name=peer_name, protocol=PROTOCOL)
        return cls(connection, verification)

    @classmethod
    def server(cls, context: SSL.Context) -> TlsEngine:
        connection = SSL.Connection(context)
        connection.set_accept_state()
        return cls(connection, Verification(peer="client", protocol=PROTOCOL))

    @property
    def peer(self) -> str:
        """`server` or `client`: what the peer is to us."""
        return self._verification.peer

    def start(self) -> None:
        self._continue_handshake()

    def receive(self, data: bytes) -> bytes:
        """Feed what came; what it held in cleartext comes back."""
        if self.state is State.CLOSED or not data:
            return b""
        self._connection.bio_write(data)
        if self.state is State.HANDSHAKING:
            self._continue_handshake()
        return self._cleartext()

    def send(self, cleartext: bytes) -> None:
        assert self.state is State.ESTABLISHED
        self._connection.sendall(cleartext)

    def bytes_to_send(self) -> bytes:
        waiting = b""
        while True:
            try:
                waiting += self._connection.bio_read(_READ_BYTES)
            except SSL.WantReadError:
                return waiting

    def close(self, reason: str) -> None:
        """Say goodbye with a close_notify, where there is somebody to say it to."""
        if self.state is State.ESTABLISHED:
            self._shutdown()
        self._close(reason)

    def _continue_handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._close(failure_in_words(error, self._verification))
            return
        self.state = State.ESTABLISHED
        self.peer_certificate = self._connection.get_peer_certificate(as_cryptography=True)
        self.protocol_selected = self._connection.get_alpn_proto_negotiated()

    def _cleartext(self) -> bytes:
        cleartext = b""
        while self.state is State.ESTABLISHED:
            try:
                cleartext += self._connection.recv(_READ_BYTES)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._shutdown()
                self._close(f"the {self.peer} closed the session")
            except SSL.Error as error:
                # In TLS 1.3 also the refusal of our certificate.
                self._close(failure_in_words(error, self._verification))
        return cleartext

    def _shutdown(self) -> None:
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            self.reason = failure_in_words(error, self._verification)

    def _close(self, reason: str) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.reason = reason
