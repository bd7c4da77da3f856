from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from dots_client import Client, ClientSettings, Server, WireTap, connect, cuid_from_certificate
from provider_simulator.behaviour import Behaviour
from provider_simulator.control import control_app
from provider_simulator.pki import client_credentials, make_pki, server_credentials
from provider_simulator.provider import Provider
from provider_simulator.provider_server import ProviderServer
from tests.provider_simulator.offline import ENTITLEMENTS


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    make_pki(directory, providers=["northgate"], clients=["acme", "globex", "stranger"])
    return directory / "northgate"


@dataclass
class Running:
    """A provider on loopback, and its control interface."""

    signal: ProviderServer
    control: httpx.AsyncClient
    pki: Path

    @asynccontextmanager
    async def client(
        self, name: str = "acme", *, on_wire: WireTap | None = None, **settings: Any
    ) -> AsyncIterator[Client]:
        credentials = client_credentials(self.pki, name)
        async with connect(
            Server(name="127.0.0.1", port=self.signal.port),
            credentials,
            cuid=cuid_from_certificate(credentials.certificate_chain),
            settings=ClientSettings(**settings),
            on_wire=on_wire,
        ) as client:
            yield client

    async def behave(self, **changes: Any) -> None:
        (await self.control.post("/behaviour", json=changes)).raise_for_status()


@pytest.fixture
async def running(pki: Path) -> AsyncIterator[Running]:
    provider = Provider(
        entitlements=ENTITLEMENTS,
        rng=Random(1),
        behaviour=Behaviour(status_delay_s=0.05, notify_interval_s=0.1, terminating_s=0.2),
    )
    signal = ProviderServer(provider, rng=Random(1))
    await signal.listen_dtls(host="127.0.0.1", port=0, credentials=server_credentials(pki))
    keeping_time = asyncio.create_task(signal.run())
    transport = httpx.ASGITransport(control_app(signal, name="Northgate"))
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as control:
        yield Running(signal, control, pki)
    keeping_time.cancel()
    with suppress(asyncio.CancelledError):
        await keeping_time
    await signal.close()
