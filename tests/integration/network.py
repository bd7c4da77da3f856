"""The network between the portal and its peers, which tests can watch and cut."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import Final, TypeVar

import psycopg

from local_stack.ports import LOOPBACK
from local_stack.processes import Process
from tests.dots_client.loss.relay import Passage, Relay, relaying
from tests.integration.stack import Stack

PATIENCE_S: Final = 5.0
SETTLING_S: Final = 0.1
T = TypeVar("T")


@contextmanager
def watched(stack: Stack, provider: str) -> Iterator[Relay]:
    """Lead every datagram of that provider's sessions through a relay, which records time and
    source.

    Established sessions follow within 30 s: start this before them, or restart the signal workers.
    """
    simulator = stack.simulator(provider)
    with _beside(relaying(simulator.signal_port)) as (relay, _loop):
        _lead(stack, simulator.provider.name, relay.port)
        try:
            yield relay
        finally:
            _lead(stack, simulator.provider.name, simulator.signal_port)


@contextmanager
def _beside(work: AbstractAsyncContextManager[T]) -> Iterator[tuple[T, asyncio.AbstractEventLoop]]:
    """Run it in the loop of another thread, beside a test that blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network", daemon=True)
    thread.start()
    try:
        entered = asyncio.run_coroutine_threadsafe(work.__aenter__(), loop).result(PATIENCE_S)
        try:
            yield entered, loop
        finally:
            leaving = work.__aexit__(None, None, None)
            asyncio.run_coroutine_threadsafe(leaving, loop).result(PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def _lead(stack: Stack, provider: str, port: int) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE providers_provider SET port = %s, transports = %s WHERE name = %s",
            [port, '["dtls"]', provider],
        )


def udp_ports(process: Process) -> set[int]:
    """The ports of every UDP socket that the process has open."""
    inodes = set()
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    lines = Path(f"/proc/{process.pid}/net/udp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {int(one[1].rpartition(":")[2], 16) for one in fields if one[9] in inodes}


def sent_from(relay: Relay, ports: set[int], *, since: float = 0.0) -> list[Passage]:
    """Datagrams to the provider from those ports. `since`: a time of `time.monotonic`."""
    return [
        passage
        for passage in list(relay.passages)
        if passage.is_to_server and passage.client[1] in ports and passage.at >= since
    ]


class TcpProxy:
    """A proxy to a TCP server that can fall silent: it neither refuses nor delivers."""

    def __init__(self, port: int, server_port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port = port
        self._server_port = server_port
        self._loop = loop
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._streams: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._is_open.clear)

    def restore(self) -> None:
        self._loop.call_soon_threadsafe(self._is_open.set)

    def lead_to(self, server_port: int) -> None:
        """Applies to new connections; existing ones keep their server."""
        self._server_port = server_port

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._is_open.wait()
        there, to_there = await asyncio.open_connection(LOOPBACK, self._server_port)
        self._streams |= {writer, to_there}
        await asyncio.gather(self._pump(reader, to_there), self._pump(there, writer))

    async def close(self) -> None:
        self._is_open.set()
        for stream in list(self._streams):
            stream.transport.abort()
        # Its pumps see the end of the stream and finish.
        await asyncio.sleep(SETTLING_S)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._is_open.wait()
                sink.write(data)
                await sink.drain()
        self._streams.discard(sink)
        sink.transport.abort()


@contextmanager
def proxied(server_port: int, *, tls: ssl.SSLContext | None = None) -> Iterator[TcpProxy]:
    """With `tls`, clients use TLS to the proxy, which connects to the server without it."""
    with _beside(_proxying(server_port, tls)) as (proxy, _loop):
        yield proxy


@asynccontextmanager
async def _proxying(server_port: int, tls: ssl.SSLContext | None) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(0, server_port, asyncio.get_running_loop())
    server = await asyncio.start_server(proxy.carry, LOOPBACK, 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
