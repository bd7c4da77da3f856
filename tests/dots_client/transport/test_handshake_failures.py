"""Every end of a handshake or session has a readable reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.engine import Engine, State
from dots_client.transport.tls_contexts import client_context, tls_client_context
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority
from tests.dots_client.transport.test_dtls_engine import server_of
from tests.dots_client.transport.test_tls_engine import talk as talk_tls
from tests.dots_client.transport.test_tls_engine import tls_server_of

UNREADABLE = re.compile(r"^$|[\[\](){}]\W*'|\(-?\d|: *$|: *;|SSL routines|  |\bNone\b|^\W")

RECORDS = {
    "a goodbye in the clear": "15fefd000000000000005b00020100",
    "a warning": "15fefd000000000000006100020164",
    "an alert that nobody defined": "15fefd0000000000000062000202ee",
    "application data": "17fefd000000000000005f000140",
    "overlapping fragments": "16fefd000000000000003400150bffffff0002000000000009" + "78" * 9,
    "a server hello of nothing": "16fefd0000000000000000000c020000000000000000000000",
}


def has_words(engine: Engine) -> bool:
    return engine.state is not State.CLOSED or UNREADABLE.search(engine.reason) is None


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_forged_record_in_a_handshake_has_a_sentence(authority: Authority, record: str) -> None:
    client = DtlsEngine.client(
        client_context(authority.client()), peer_name="provider.example", mtu=1232
    )
    client.start()
    client.receive(bytes.fromhex(record))

    assert has_words(client), client.reason


MUTATIONS = st.tuples(
    st.integers(min_value=0), st.sampled_from(["flip", "cut", "insert"]), st.binary(max_size=8)
)


def mutated(data: bytes, mutation: tuple[int, str, bytes]) -> bytes:
    at, kind, extra = mutation
    at %= len(data)
    match kind:
        case "flip":
            return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        case "cut":
            return data[:at]
        case _:
            return data[:at] + extra + data[at:]


@given(st.lists(st.none() | MUTATIONS, min_size=1, max_size=8))
def test_a_damaged_dtls_handshake_has_a_sentence(
    authority: Authority, mutations: list[tuple[int, str, bytes] | None]
) -> None:
    client = DtlsEngine.client(
        client_context(authority.client()), peer_name="provider.example", mtu=1232
    )
    server = server_of(authority.server())
    client.start()
    waiting = list(mutations)
    for _ in range(4):
        for datagram in client.datagrams_to_send():
            server.receive(datagram)
        for datagram in server.datagrams_to_send():
            mutation = waiting.pop() if waiting else None
            client.receive(datagram if mutation is None else mutated(datagram, mutation))

    assert has_words(client), client.reason
    assert has_words(server), server.reason


@given(st.lists(st.none() | MUTATIONS, min_size=1, max_size=8))
def test_a_damaged_tls_connection_has_a_sentence(
    authority: Authority, mutations: list[tuple[int, str, bytes] | None]
) -> None:
    client = TlsEngine.client(tls_client_context(authority.client()), peer_name="provider.example")
    server = tls_server_of(authority.server())
    client.start()
    waiting = list(mutations)
    for _ in range(8):
        server.receive(client.bytes_to_send())
        if server.state is State.ESTABLISHED:
            server.send(b"hello")
        data = server.bytes_to_send()
        mutation = waiting.pop() if waiting and data else None
        client.receive(data if mutation is None else mutated(data, mutation))

    assert has_words(client), client.reason
    assert has_words(server), server.reason


@pytest.mark.parametrize("record", ["1703030018" + "00" * 24, "ff" * 24, "474554202f20" * 4])
def test_damage_in_a_session_is_not_blamed_on_the_handshake(
    authority: Authority, record: str
) -> None:
    client = TlsEngine.client(tls_client_context(authority.client()), peer_name="provider.example")
    talk_tls(client, tls_server_of(authority.server()))

    client.receive(bytes.fromhex(record))

    assert client.state is State.CLOSED
    assert client.reason == "what arrived from the server was damaged or forged"
