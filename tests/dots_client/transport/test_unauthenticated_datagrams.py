"""Datagrams from strangers: a server must not keep state for them, and both sides must survive
them.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psutil
from hypothesis import given, settings
from hypothesis import strategies as st

from dots_client.transport.dtls_engine import DtlsEngine
from dots_client.transport.dtls_server import DtlsServer
from dots_client.transport.engine import State
from dots_client.transport.tls_contexts import client_context
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import ask, get, linked, serving, until

STRANGERS = 10_000
PORTS = 500
MTU = 1232
LARGEST_GROWTH_BYTES = 256 * 1024
"""Bytes of Python's memory after as many strangers again. A pending handshake has some 100 KiB."""
LARGEST_PROCESS_GROWTH_BYTES = 8 * 1024 * 1024
"""Bytes, including OpenSSL's.

Ten thousand pending handshakes would need a hundred times as much.
"""


def client_hello(authority: Authority) -> bytes:
    context = client_context(authority.client())
    engine = DtlsEngine.client(context, peer_name="provider.example", mtu=MTU)
    engine.start()
    (hello,) = engine.datagrams_to_send()
    return hello


def strange_datagrams(hello: bytes, *, count: int, seed: int) -> Iterator[bytes]:
    """Hellos without a cookie, with a forged one, damaged ones, records of no session, noise."""
    rng = Random(seed)
    for number in range(count):
        match number % 5:
            case 0:
                random = rng.randbytes(32)
                yield hello[:27] + random + hello[59:]
            case 1:
                yield with_cookie(hello, rng.randbytes(16))
            case 2:
                cut = bytearray(hello[: rng.randrange(1, len(hello))])
                cut[rng.randrange(len(cut))] ^= 1 << rng.randrange(8)
                yield bytes(cut)
            case 3:
                body = rng.randbytes(rng.randrange(0, 80))
                head = struct.pack("!BHHHIH", 23, 0xFEFD, rng.randrange(3), 0, number, len(body))
                yield head + body
            case _:
                yield rng.randbytes(rng.randrange(0, 200))


def with_cookie(hello: bytes, cookie: bytes) -> bytes:
    """The same hello as if it answered a HelloVerifyRequest (RFC 6347 section 4.2.1)."""
    at = 59 + 1 + hello[59]
    assert hello[at] == 0, "the hello of a fresh handshake has no cookie"
    body = hello[25:at] + bytes([len(cookie)]) + cookie + hello[at + 1 :]
    length = len(body).to_bytes(3, "big")
    handshake = bytes([1]) + length + hello[17:19] + bytes(3) + length + body
    return hello[:11] + struct.pack("!H", len(handshake)) + handshake


@contextmanager
def many_ports(server: DtlsServer) -> Iterator[list[socket.socket]]:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]
    try:
        for sock in sockets:
            sock.connect(("127.0.0.1", server.port))
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


async def send_from_strangers(server: DtlsServer, hello: bytes, *, seed: int) -> None:
    with many_ports(server) as sockets:
        for number, datagram in enumerate(strange_datagrams(hello, count=STRANGERS, seed=seed)):
            sockets[number % PORTS].send(datagram)
            # One turn of the loop reads one datagram.
            await asyncio.sleep(0)


def python_memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_ten_thousand_strangers_leave_nothing_behind(authority: Authority) -> None:
    hello = client_hello(authority)
    async with serving(authority.server()) as server:
        pending: list[int] = []

        def count(_datagram: bytes, _address: object) -> bool:
            pending.append(server.pending_count)
            return False

        server.drop_incoming = count
        await send_from_strangers(server, hello, seed=1)
        await until(lambda: len(pending) == STRANGERS)
        pending.clear()
        resident = psutil.Process().memory_info().rss
        tracemalloc.start()
        try:
            before = python_memory()
            await send_from_strangers(server, hello, seed=2)
            await until(lambda: len(pending) == STRANGERS)
            growth = python_memory() - before
        finally:
            tracemalloc.stop()
        assert set(pending) == {0}
        assert (server.pending_count, server.sessions) == (0, ())
        assert growth < LARGEST_GROWTH_BYTES
        assert psutil.Process().memory_info().rss - resident < LARGEST_PROCESS_GROWTH_BYTES

        server.drop_incoming = None
        async with linked(server, authority.client("acme")) as link:
            answer = await ask(link.endpoint, get(link))
        assert answer.payload == b"acme"


async def test_a_stranger_gets_no_more_than_it_sent(authority: Authority) -> None:
    hello = client_hello(authority)
    answers: list[bytes] = []
    async with serving(authority.server()) as server:

        def note(datagram: bytes, _address: object) -> bool:
            answers.append(datagram)
            return False

        server.drop_outgoing = note
        for datagram in strange_datagrams(hello, count=500, seed=3):
            before = len(answers)
            server.datagram_received(datagram, ("127.0.0.1", 9))
            assert sum(map(len, answers[before:])) <= len(datagram)

    assert len(answers) >= 200


def pair_of_engines(authority: Authority) -> tuple[DtlsEngine, list[bytes]]:
    """A client in the middle of its handshake, and its datagrams."""
    context = client_context(authority.client())
    engine = DtlsEngine.client(context, peer_name="provider.example", mtu=MTU)
    engine.start()
    return engine, engine.datagrams_to_send()


AUTHORITY = Authority()
_HEADS = st.builds(
    lambda kind, version, epoch, body: (
        struct.pack("!BHHHIH", kind, version, epoch, 0, 0, len(body)) + body
    ),
    st.sampled_from([20, 21, 22, 23, 24, 25, 255]),
    st.sampled_from([0xFEFD, 0xFEFF, 0x0303, 0xFEFC]),
    st.integers(0, 2),
    st.binary(max_size=120),
)


@settings(deadline=None)
@given(datagrams=st.lists(st.one_of(st.binary(max_size=300), _HEADS), max_size=12))
def test_no_datagram_makes_an_engine_raise(datagrams: list[bytes]) -> None:
    engine, _ = pair_of_engines(AUTHORITY)

    for datagram in datagrams:
        assert engine.receive(datagram) == []
        engine.datagrams_to_send()

    assert engine.state is not State.ESTABLISHED
    if engine.state is State.CLOSED:
        assert engine.reason


async def test_no_datagram_makes_a_server_raise(authority: Authority) -> None:
    hello = client_hello(authority)
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    async with serving(authority.server()) as server, linked(server, authority.client()) as link:
        (session,) = server.sessions
        for datagram in strange_datagrams(hello, count=2000, seed=4):
            # From the address of the live session, and from another one.
            server.datagram_received(datagram, session.address)
            server.datagram_received(datagram, ("127.0.0.1", 9))

        assert (await ask(link.endpoint, get(link))).payload == b"acme"
        assert server.sessions == (session,)
    assert complaints == []
