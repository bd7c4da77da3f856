"""Providers, gateways to them, and clients of the gateways, on loopback."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

from dots_client import (
    Client,
    ClientSettings,
    MitigationStatus,
    Server,
    connect,
    cuid_from_certificate,
)
from dots_server.server import SignalServer
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour
from provider_simulator.gateway_policy import Gateway
from provider_simulator.gateway_server import GatewayServer
from provider_simulator.pki import client_credentials, server_credentials
from provider_simulator.provider import Provider
from provider_simulator.provider_server import ProviderServer
from provider_simulator.upstream import Upstream
from tests.provider_simulator.offline import ENTITLEMENTS

Status = MitigationStatus
GATEWAYS = ("edge-1", "edge-2")
PLAY = Behaviour(status_delay_s=0.05, notify_interval_s=0.1, terminating_s=0.2)
EVERYTHING = Entitlement.of(["203.0.113.0/24", "198.51.100.0/24"])


class Network:
    """Starts providers, gateways, and clients of the gateways."""

    def __init__(self, pki: Path, stack: AsyncExitStack) -> None:
        self.pki = pki
        self._stack = stack

    async def provider(self, port: int = 0) -> ProviderServer:
        provider = Provider(
            entitlements=dict.fromkeys(GATEWAYS, EVERYTHING), rng=Random(1), behaviour=PLAY
        )
        signal = ProviderServer(provider, rng=Random(1))
        await self._serve(signal, "northgate", port)
        return signal

    async def gateway(
        self, name: str, upstream: str, upstream_port: int, *, port: int = 0, **options: Any
    ) -> GatewayServer:
        domains = {**ENTITLEMENTS, **dict.fromkeys(GATEWAYS, EVERYTHING)}
        gateway = Gateway(name=name, entitlements=domains, **options)
        behind = Upstream(
            Server(name=f"{upstream}.example", host="127.0.0.1", port=upstream_port),
            client_credentials(self.pki / upstream, name),
            rng=Random(1),
        )
        signal = GatewayServer(gateway, behind)
        await self._serve(signal, name, port)
        await self._keep(behind.run())
        return signal

    async def client(
        self, gateway: SignalServer, key: str = "edge-1", name: str = "acme", **settings: Any
    ) -> Client:
        credentials = client_credentials(self.pki / key, name)
        return await self._stack.enter_async_context(
            connect(
                Server(name=f"{key}.example", host="127.0.0.1", port=gateway.port),
                credentials,
                cuid=cuid_from_certificate(credentials.certificate_chain),
                settings=ClientSettings(**settings),
            )
        )

    async def _serve(self, signal: SignalServer, name: str, port: int) -> None:
        await signal.listen_dtls(
            host="127.0.0.1", port=port, credentials=server_credentials(self.pki / name)
        )
        self._stack.push_async_callback(signal.close)
        await self._keep(signal.run())

    async def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(stop)
