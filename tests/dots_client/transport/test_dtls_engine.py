from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.transport.certificate_verification import Verification
from dots_client.transport.dtls_engine import (
    LOWERED_MTU,
    MAX_COOKIES,
    DtlsEngine,
    hello_verify_requests,
    pack_records,
)
from dots_client.transport.engine import State
from dots_client.transport.tls_contexts import client_context, server_context
from tests.dots_client.authority import Authority

MTU = 1232


def client_of(credentials: Credentials, *, name: str = "provider.example") -> DtlsEngine:
    return DtlsEngine.client(client_context(credentials), peer_name=name, mtu=MTU)


def server_of(credentials: Credentials) -> DtlsEngine:
    context = server_context(
        credentials, require_client_certificate=True, cookie=lambda address: address
    )
    connection = SSL.Connection(context)
    connection.set_accept_state()
    return DtlsEngine(connection, Verification(peer="client"), mtu=MTU)


def talk(client: DtlsEngine, server: DtlsEngine) -> list[list[int]]:
    """Pass datagrams between both until they are silent. Returns the sizes of each flight."""
    flights = []
    while flight := client.datagrams_to_send():
        flights.append([len(datagram) for datagram in flight])
        for datagram in flight:
            server.receive(datagram)
        answer = server.datagrams_to_send()
        flights.append([len(datagram) for datagram in answer])
        for datagram in answer:
            client.receive(datagram)
    return flights


@pytest.fixture
def pair(authority: Authority) -> tuple[DtlsEngine, DtlsEngine]:
    client, server = client_of(authority.client()), server_of(authority.server())
    client.start()
    talk(client, server)
    return client, server


def test_two_engines_shake_hands_in_one_datagram_per_flight(authority: Authority) -> None:
    client, server = client_of(authority.client()), server_of(authority.server())

    client.start()
    flights = talk(client, server)

    assert (client.state, server.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert [len(flight) for flight in flights] == [1, 1, 1, 1]
    assert client.next_timeout_s() is None


def test_cleartext_arrives_one_datagram_each(pair: tuple[DtlsEngine, DtlsEngine]) -> None:
    client, server = pair

    client.send(b"one")
    client.send(b"two")
    datagrams = client.datagrams_to_send()

    assert [server.receive(datagram) for datagram in datagrams] == [[b"one", b"two"]]


@pytest.mark.rule("SC-127")
def test_the_budget_for_cleartext_is_the_mtu_less_the_record(
    pair: tuple[DtlsEngine, DtlsEngine],
) -> None:
    client, server = pair

    client.send(bytes(client.max_cleartext_bytes))
    (datagram,) = client.datagrams_to_send()

    assert client.max_cleartext_bytes == 1195
    assert len(datagram) == MTU
    assert server.receive(datagram) == [bytes(1195)]


def test_two_timeouts_lower_the_mtu_of_a_handshake_but_not_the_budget(
    authority: Authority,
) -> None:
    client, server = client_of(authority.client()), server_of(authority.server())
    client.start()
    for datagram in client.datagrams_to_send():
        server.receive(datagram)

    client.handle_timeout()
    client.handle_timeout()
    for datagram in server.datagrams_to_send():
        client.receive(datagram)
    certificate_flight = client.datagrams_to_send()
    for datagram in certificate_flight:
        server.receive(datagram)

    assert max(len(datagram) for datagram in certificate_flight) <= LOWERED_MTU
    assert len(certificate_flight) == 2
    for datagram in server.datagrams_to_send():
        client.receive(datagram)
    assert client.max_cleartext_bytes == 1195


def test_a_close_notify_ends_the_other_side(pair: tuple[DtlsEngine, DtlsEngine]) -> None:
    client, server = pair

    server.close("maintenance")
    for datagram in server.datagrams_to_send():
        client.receive(datagram)

    assert client.state is State.CLOSED
    assert client.reason == "the server closed the session"


def test_noise_and_forged_alerts_do_not_touch_a_session(
    pair: tuple[DtlsEngine, DtlsEngine],
) -> None:
    client, server = pair
    forged_alert = bytes.fromhex("15 fefd 0000 000000000001 0002 0228")

    for noise in (b"", b"\0", b"hello", bytes(2000), forged_alert):
        assert client.receive(noise) == []
    server.send(b"still here")
    (datagram,) = server.datagrams_to_send()

    assert client.receive(datagram) == [b"still here"]


def test_errors_of_another_connection_in_the_queue_do_not_end_a_session(
    pair: tuple[DtlsEngine, DtlsEngine], authority: Authority
) -> None:
    client, server = pair
    context = server_context(
        authority.server(), require_client_certificate=True, cookie=lambda address: address
    )
    listener = SSL.Connection(context)
    listener.set_accept_state()
    listener.set_app_data(Verification(peer="client"))
    stranger = client_of(authority.client())
    stranger.start()
    # A truncated hello leaves an error in the queue of the thread, which OpenSSL does not raise.
    listener.bio_write(stranger.datagrams_to_send()[0][:40])
    with pytest.raises(SSL.WantReadError):
        listener.DTLSv1_listen()

    assert client.receive(b"noise") == []
    server.send(b"still here")
    (datagram,) = server.datagrams_to_send()

    assert client.receive(datagram) == [b"still here"]
    assert client.state is State.ESTABLISHED


def test_a_name_that_cannot_be_one_is_refused(authority: Authority) -> None:
    with pytest.raises(HandshakeFailed, match="is not a valid name of a server"):
        client_of(authority.client(), name="a..b")


@pytest.mark.rule("SC-119")
def test_a_replayed_datagram_is_dropped(pair: tuple[DtlsEngine, DtlsEngine]) -> None:
    client, server = pair
    client.send(b"once")
    (datagram,) = client.datagrams_to_send()

    assert server.receive(datagram) == [b"once"]
    assert server.receive(datagram) == []


def test_a_truncated_datagram_does_not_cost_the_next_one(
    pair: tuple[DtlsEngine, DtlsEngine],
) -> None:
    client, server = pair
    client.send(b"first")
    (first,) = client.datagrams_to_send()
    client.send(b"second")
    (second,) = client.datagrams_to_send()

    assert server.receive(first[:-3]) == []
    assert server.receive(second) == [b"second"]


@pytest.mark.parametrize(
    ("sizes", "mtu", "expected"),
    [
        ([100, 100, 100], 250, [2, 1]),
        ([100, 100, 100], 1000, [3]),
        ([300, 100], 250, [1, 1]),
        ([], 250, []),
    ],
)
def test_whole_records_are_packed_up_to_the_mtu(
    sizes: list[int], mtu: int, expected: list[int]
) -> None:
    records = [bytes(11) + (size - 13).to_bytes(2, "big") + bytes(size - 13) for size in sizes]

    datagrams = pack_records(b"".join(records), mtu)

    assert b"".join(datagrams) == b"".join(records)
    assert [len(datagram) // 100 for datagram in datagrams] == [
        sum(sizes[sum(expected[:index]) : sum(expected[: index + 1])]) // 100
        for index in range(len(expected))
    ]


def hello_verify_request(number: int) -> bytes:
    """A HelloVerifyRequest with a made-up cookie, as anyone can forge it."""
    cookie = number.to_bytes(20, "big")
    body = b"\xfe\xff" + bytes([len(cookie)]) + cookie
    length = len(body).to_bytes(3, "big")
    message = b"\x03" + length + bytes(2) + bytes(3) + length + body
    return b"\x16\xfe\xff" + number.to_bytes(8, "big") + len(message).to_bytes(2, "big") + message


def test_a_handshake_answers_a_bounded_number_of_cookies(authority: Authority) -> None:
    client = client_of(authority.client())
    client.start()
    client.datagrams_to_send()

    answers = 0
    for number in range(200):
        client.receive(hello_verify_request(number))
        answers += len(client.datagrams_to_send())

    assert 1 <= answers <= MAX_COOKIES
    assert client.state is State.HANDSHAKING


def test_forged_cookies_do_not_end_a_handshake_with_a_valid_one(authority: Authority) -> None:
    client, server = client_of(authority.client()), server_of(authority.server())
    client.start()
    for number in range(MAX_COOKIES):
        client.receive(hello_verify_request(number) * (MAX_COOKIES + 1))

    talk(client, server)

    assert client.state is State.ESTABLISHED


@given(st.binary(max_size=200))
def test_any_datagram_is_looked_through(datagram: bytes) -> None:
    assert hello_verify_requests(datagram) <= len(datagram)
