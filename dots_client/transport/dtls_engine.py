"""One DTLS 1.2 association without any I/O: datagrams on one side, cleartext on the other.

The caller owns the socket and the clock: after every call it sends `datagrams_to_send()` and arms
a timer for `next_timeout_s()`.
"""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

from dots_client.transport.certificate_verification import Verification
from dots_client.transport.engine import Engine, State, client_connection

RECORD_HEADER_BYTES: Final = 13
LOWERED_MTU: Final = 548
"""UDP payload of the smallest datagram every IPv4 host must take (576 bytes)."""
TIMEOUTS_BEFORE_LOWERED_MTU: Final = 2
MAX_COOKIE_BYTES: Final = 255
"""Of RFC 6347; the second hello is longer by so much."""
MAX_COOKIES: Final = 8
"""HelloVerifyRequests that one handshake answers. A hello that is repeated in a bad network may get one each time; a server that
sends ever new ones would have us send as fast as it does, and pay the more for it."""
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_HELLO_VERIFY_REQUEST: Final = 3


class DtlsEngine(Engine):
    def __init__(self, connection: SSL.Connection, verification: Verification, *, mtu: int) -> None:
        super().__init__(connection, verification)
        self.max_cleartext_bytes = 0
        "what one datagram carries; known once established"
        self.safe_cleartext_bytes = 0
        "bytes in the smallest datagram that every host accepts; known once established"
        self._mtu = mtu
        self._sending_mtu = mtu
        self._timeouts = 0
        self._cookies = 0
        "HelloVerifyRequests so far"
        self._last_words = b""
        "our end of a resumed handshake, until the server is heard in the session"
        self._unsent = b""
        self._hello_bytes = 0
        "of the flight under way; 0 where it is no hello"
        connection.set_ciphertext_mtu(mtu)

    @classmethod
    def client(
        cls,
        context: SSL.Context,
        *,
        peer_name: str,
        mtu: int,
        session: SSL.Session | None = None,
    ) -> DtlsEngine:
        """`session` is left out where a hello with its ticket would need a second datagram."""

        def begin(session: SSL.Session | None) -> DtlsEngine:
            connection = client_connection(context, peer_name, session)
            verification = Verification(peer="server", expected_name=peer_name)
            return cls(connection, verification, mtu=mtu)

        if session is not None:
            trial = begin(session)
            trial.start()
            if sum(map(len, trial.datagrams_to_send())) + MAX_COOKIE_BYTES > mtu:
                session = None
        return begin(session)

    def receive(self, datagram: bytes) -> list[bytes]:
        """Feed exactly one datagram; what it held in cleartext comes back."""
        if self.state is State.CLOSED or not datagram:
            return []
        if self.state is State.HANDSHAKING:
            self._cookies += hello_verify_requests(datagram)
            if self._cookies > MAX_COOKIES and hello_verify_requests(datagram):
                # Dropped, not the end: anybody can forge them.
                return []
        self._connection.bio_write(datagram)
        if self.state is State.HANDSHAKING:
            self._continue_handshake()
        cleartexts = self._cleartexts()
        if cleartexts:
            self._last_words = b""
        return cleartexts

    def send(self, cleartext: bytes) -> None:
        """Encrypt into one record, whatever its size: DTLS never fragments application data."""
        assert self.state is State.ESTABLISHED
        self._connection.send(cleartext)

    def datagrams_to_send(self) -> list[bytes]:
        waiting = self._unsent + self._waiting()
        if self._unsent:
            self._unsent = b""
        elif 0 < len(waiting) <= self._sending_mtu - len(self._last_words):
            # Nothing acknowledges them: without them the server can read nothing of the session.
            # What it has seen already it drops as a replay.
            waiting = self._last_words + waiting
        datagrams = pack_records(waiting, self._sending_mtu)
        if datagrams:
            first = datagrams[0]
            self._hello_bytes = len(first) if first[RECORD_HEADER_BYTES] == _CLIENT_HELLO else 0
        return datagrams

    def drop_unsent(self) -> None:
        """Drop what waits to be sent; only later messages leave."""
        self._waiting()
        self._unsent = self._last_words = b""

    def next_timeout_s(self) -> float | None:
        if self.state is State.CLOSED:
            return None
        return self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        if self.state is State.CLOSED:
            return
        self._timeouts += 1
        if (
            self._timeouts >= TIMEOUTS_BEFORE_LOWERED_MTU
            and self._sending_mtu > LOWERED_MTU
            and self._hello_bytes <= LOWERED_MTU
        ):
            # A flight that is lost twice may be too large for the path; OpenSSL fragments what it
            # repeats anew. A hello in fragments is dropped by servers without state for strangers.
            self._sending_mtu = LOWERED_MTU
            self._connection.set_ciphertext_mtu(LOWERED_MTU)
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._close(self._in_words(error))

    def _established(self) -> None:
        if self.was_resumed and self.peer == "server":
            self._unsent = self._last_words = self._waiting()
        overhead = self._sending_mtu - self._connection.get_cleartext_mtu()
        # From the configured MTU: losses in the handshake must not forbid larger requests later.
        self.max_cleartext_bytes = self._mtu - overhead
        self.safe_cleartext_bytes = min(LOWERED_MTU, self._mtu) - overhead


def pack_records(flight: bytes, mtu: int) -> list[bytes]:
    """Cut a flight at its record headers and pack whole records into datagrams up to `mtu`."""
    datagrams: list[bytes] = []
    start = end = 0
    while end < len(flight):
        length = int.from_bytes(flight[end + 11 : end + RECORD_HEADER_BYTES], "big")
        following = end + RECORD_HEADER_BYTES + length
        if following - start > mtu and end > start:
            datagrams.append(flight[start:end])
            start = end
        end = following
    if end > start:
        datagrams.append(flight[start:end])
    return datagrams


def hello_verify_requests(datagram: bytes) -> int:
    """How many records of it are HelloVerifyRequests (RFC 6347 section 4.2.1)."""
    found, at = 0, 0
    while at + RECORD_HEADER_BYTES < len(datagram):
        content = at + RECORD_HEADER_BYTES
        is_clear = datagram[at + 3 : at + 5] == bytes(2)
        if datagram[at] == _HANDSHAKE and is_clear and datagram[content] == _HELLO_VERIFY_REQUEST:
            found += 1
        at = content + int.from_bytes(datagram[content - 2 : content], "big")
    return found
