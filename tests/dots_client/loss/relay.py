"""A bad line on the loopback interface: it loses and delays datagrams of one server, by a seed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

Address = tuple[str, int]

LOOPBACK: Final = "127.0.0.1"
APPLICATION_DATA: Final = 23
"""Content type of a DTLS record that carries CoAP (RFC 6347 section 4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How the line treats datagrams."""

    lost_to_server: float = 0.0
    "share, 0 to 1"
    lost_to_client: float = 0.0
    "share, 0 to 1"
    delay_s: float = 0.0
    "in each direction"
    max_bytes: int | None = None
    "bytes; larger UDP payloads are dropped silently, in both directions"


CALM: Final = Weather()


def both_ways(share: float, *, delay_s: float = 0.0) -> Weather:
    return Weather(lost_to_server=share, lost_to_client=share, delay_s=delay_s)


@dataclass(frozen=True, slots=True)
class Passage:
    """One datagram on the line, lost or not."""

    at: float
    "loop time"
    client: Address
    "each handshake has another port"
    is_to_server: bool
    content_type: int
    size: int
    is_lost: bool

    @property
    def is_application_data(self) -> bool:
        return self.content_type == APPLICATION_DATA


class Relay:
    """Relays between clients and one server."""

    def __init__(self, *, server_port: int, rng: Random, weather: Weather) -> None:
        self.weather = weather
        self.storm: Weather | None = None
        "the weather from the next CoAP message on"
        self.passages: list[Passage] = []
        self.on_passage: Callable[[Passage], None] | None = None
        "called with each datagram when its fate is decided"
        self.port = 0
        self._server_port = server_port
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._entrance: asyncio.DatagramTransport | None = None
        self._exits: dict[Address, _Exit] = {}

    async def open(self) -> None:
        self._entrance, _ = await self._loop.create_datagram_endpoint(
            lambda: _Entrance(self), local_addr=(LOOPBACK, 0)
        )
        self.port = self._entrance.get_extra_info("sockname")[1]

    def close(self) -> None:
        for way_out in self._exits.values():
            way_out.close()
        if self._entrance is not None:
            self._entrance.close()

    def sent_by_client(self, *, since: float = 0.0) -> list[float]:
        """When each CoAP datagram was sent, lost or not."""
        return [
            passage.at
            for passage in self.passages
            if passage.is_to_server and passage.is_application_data and passage.at >= since
        ]

    def from_client(self, datagram: bytes, client: Address) -> None:
        way_out = self._exits.get(client)
        if way_out is None:
            way_out = self._exits[client] = _Exit(self, client, self._server_port)
        self._carry(datagram, client, is_to_server=True, deliver=way_out.send)

    def forge(self, datagram: bytes, client: Address) -> None:
        """Forge a datagram of the server, as anyone can who knows both addresses."""
        if self._entrance is not None:
            self._entrance.sendto(datagram, client)

    def from_server(self, datagram: bytes, client: Address) -> None:
        def deliver(data: bytes) -> None:
            if self._entrance is not None and not self._entrance.is_closing():
                self._entrance.sendto(data, client)

        self._carry(datagram, client, is_to_server=False, deliver=deliver)

    def _carry(
        self,
        datagram: bytes,
        client: Address,
        *,
        is_to_server: bool,
        deliver: Callable[[bytes], None],
    ) -> None:
        content_type = datagram[0] if datagram else 0
        if self.storm is not None and content_type == APPLICATION_DATA:
            self.weather, self.storm = self.storm, None
        weather = self.weather
        share = weather.lost_to_server if is_to_server else weather.lost_to_client
        passage = Passage(
            at=self._loop.time(),
            client=client,
            is_to_server=is_to_server,
            content_type=content_type,
            size=len(datagram),
            is_lost=self._rng.random() < share
            or (weather.max_bytes is not None and len(datagram) > weather.max_bytes),
        )
        self.passages.append(passage)
        if self.on_passage is not None:
            self.on_passage(passage)
        if passage.is_lost:
            return
        if weather.delay_s:
            self._loop.call_later(weather.delay_s, deliver, datagram)
        else:
            deliver(datagram)


class _Entrance(asyncio.DatagramProtocol):
    """The socket for the clients."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._relay.from_client(data, cast(Address, addr[:2]))


class _Exit:
    """A socket to the server for each client address, so that the server can distinguish them."""

    def __init__(self, relay: Relay, client: Address, server_port: int) -> None:
        self._relay = relay
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((LOOPBACK, server_port))
        self._loop.add_reader(self._socket.fileno(), self._read)

    def send(self, datagram: bytes) -> None:
        if self._socket.fileno() == -1:
            return
        try:
            self._socket.send(datagram)
        except (BlockingIOError, ConnectionRefusedError):
            return  # lost like any other

    def close(self) -> None:
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        try:
            datagram = self._socket.recv(65536)
        except (BlockingIOError, ConnectionRefusedError):
            return
        self._relay.from_server(datagram, self._client)


@asynccontextmanager
async def relaying(
    server_port: int, *, seed: int = 0, weather: Weather = CALM
) -> AsyncIterator[Relay]:
    relay = Relay(server_port=server_port, rng=Random(seed), weather=weather)
    await relay.open()
    try:
        yield relay
    finally:
        relay.close()
