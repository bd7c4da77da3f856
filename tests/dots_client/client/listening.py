"""A provider that listens on UDP and TCP, and sessions with it over TCP."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from dots_client import (
    Client,
    ClientSettings,
    Credentials,
    Server,
    WireRecord,
    connect,
)
from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from dots_client.transport.tls_server import TlsServer, serve_tls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SETTINGS, Provider

BOTH = ("dtls", "tls")
PORTS_TO_TRY = 20


class Listening:
    """One provider on UDP and TCP, on the same port."""

    def __init__(self, provider: Provider, udp: DtlsServer, tcp: TlsServer) -> None:
        self.provider = provider
        self.udp = udp
        self.tcp = tcp

    @property
    def server(self) -> Server:
        return Server("provider.example", "127.0.0.1", self.udp.port, BOTH)

    def mute_udp(self) -> None:
        self.udp.drop_incoming = lambda _datagram, _address: True


@asynccontextmanager
async def listening(
    authority: Authority, credentials: Credentials | None = None
) -> AsyncIterator[Listening]:
    provider = Provider()
    udp, tcp = await _on_one_port(provider, credentials or authority.server())
    try:
        yield Listening(provider, udp, tcp)
    finally:
        await udp.close()
        await tcp.close()


async def _on_one_port(provider: Provider, own: Credentials) -> tuple[DtlsServer, TlsServer]:
    """A port that is free for UDP may be taken for TCP, by any connection of this machine."""
    for _ in range(PORTS_TO_TRY):
        udp = await serve_dtls(provider, host="127.0.0.1", port=0, credentials=own)
        try:
            tcp = await serve_tls(provider, host="127.0.0.1", port=udp.port, credentials=own)
        except OSError as error:
            await udp.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return udp, tcp
    pytest.fail(f"of {PORTS_TO_TRY} ports none was free for both")


@asynccontextmanager
async def over_tcp(
    authority: Authority,
    settings: ClientSettings = SETTINGS,
    *,
    on_wire: Callable[[WireRecord], None] | None = None,
) -> AsyncIterator[tuple[Listening, Client]]:
    async with (
        listening(authority) as there,
        connect(
            replace(there.server, transports=("tls",)),
            authority.client(),
            cuid=CUID,
            settings=settings,
            on_wire=on_wire,
        ) as client,
    ):
        yield there, client
