"""The provider over TCP and UDP on the same port."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dots_client import (
    Client,
    ClientCache,
    ClientSettings,
    HandshakeFailed,
    MitigationStatus,
    Server,
    connect,
    cuid_from_certificate,
)
from dots_client.server import serve_tls
from provider_simulator.behaviour import Behaviour
from provider_simulator.pki import client_credentials, make_pki, server_credentials
from provider_simulator.provider import Provider
from provider_simulator.provider_server import ProviderServer
from tests.provider_simulator.offline import ENTITLEMENTS, scope
from tests.provider_simulator.test_server import eventually, until


@asynccontextmanager
async def both(pki: Path) -> AsyncIterator[ProviderServer]:
    behaviour = Behaviour(status_delay_s=0.05, notify_interval_s=0.1, terminating_s=0.2)
    provider = Provider(entitlements=ENTITLEMENTS, rng=Random(1), behaviour=behaviour)
    signal = ProviderServer(provider, rng=Random(1))
    await signal.listen(host="127.0.0.1", port=0, credentials=server_credentials(pki))
    keeping_time = asyncio.create_task(signal.run())
    try:
        yield signal
    finally:
        keeping_time.cancel()
        await asyncio.wait({keeping_time})
        await signal.close()


@asynccontextmanager
async def session(
    signal: ProviderServer,
    pki: Path,
    *,
    transports: tuple[str, ...],
    cache: ClientCache | None = None,
    **settings: Any,
) -> AsyncIterator[Client]:
    credentials = client_credentials(pki, "acme")
    async with connect(
        Server(name="127.0.0.1", port=signal.port, transports=transports),
        credentials,
        cuid=cuid_from_certificate(credentials.certificate_chain),
        settings=ClientSettings(**settings),
        cache=cache,
    ) as client:
        yield client


@pytest.mark.rule("SS-001")
@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_mitigation_works_over_either_transport(pki: Path, transport: str) -> None:
    async with both(pki) as signal, session(signal, pki, transports=(transport,)) as acme:
        granted = await acme.request(1, scope(lifetime=600))
        async with acme.observe(1) as reports:
            await until(reports, MitigationStatus.MITIGATING)
            await acme.withdraw(1)
            await until(reports, MitigationStatus.TERMINATED)

        assert acme.transport == transport
        assert (granted.mid, granted.lifetime) == (1, 600)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_returning_client_resumes_its_session(pki: Path, transport: str) -> None:
    cache, resumed = ClientCache(), []
    async with both(pki) as signal:
        for _ in range(2):
            async with session(signal, pki, transports=(transport,), cache=cache) as acme:
                resumed.append(acme.was_resumed)
                await acme.heartbeat()

    assert resumed == [False, True]


async def test_heartbeats_are_sent_both_ways_over_tcp(pki: Path) -> None:
    async with (
        both(pki) as signal,
        session(signal, pki, transports=("tls",), heartbeat_interval_s=0.1),
    ):
        (held,) = signal.provider.sessions.values()
        await eventually(lambda: held.rtt_s is not None and held.heartbeats_received > 2)

        assert (held.client, held.peer.startswith("127.0.0.1:")) == ("acme", True)


async def test_a_client_notices_a_crash_over_tcp_at_once(pki: Path) -> None:
    async with both(pki) as signal, session(signal, pki, transports=("tls",)) as acme:
        signal.crash()

        async with asyncio.timeout(10):
            reason = str(await acme.closed())
        assert reason in (
            "the server closed the connection unexpectedly",
            "the server reset the connection",
        )
        assert signal.provider.sessions == {}


async def test_an_observer_that_leaves_over_tcp_is_forgotten(pki: Path) -> None:
    async with both(pki) as signal, session(signal, pki, transports=("tls",)) as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, MitigationStatus.MITIGATING)
        await eventually(lambda: len(signal.provider.observers) == 0)


async def test_an_unanswered_request_over_tcp_is_not_kept_in_memory(pki: Path) -> None:
    async with both(pki) as signal, session(signal, pki, transports=("tls",)) as acme:
        signal.behave(Behaviour(accept="silent"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await acme.request(1, scope())

        (remote,) = signal._sessions.values()
        assert remote.endpoint.tokens.incoming_requests == {}


async def test_a_client_of_another_authority_is_refused_on_both(pki: Path, tmp_path: Path) -> None:
    make_pki(tmp_path, providers=["elsewhere"], clients=["acme"])
    stranger = client_credentials(tmp_path / "elsewhere", "acme")
    known = client_credentials(pki, "acme")
    for transport in ("dtls", "tls"):
        credentials = type(known)(
            certificate_chain=stranger.certificate_chain,
            private_key=stranger.private_key,
            trust_anchors=known.trust_anchors,
        )
        async with both(pki) as signal:
            server = Server(name="127.0.0.1", port=signal.port, transports=(transport,))
            with pytest.raises(HandshakeFailed, match="does not trust the authority that signed"):
                async with connect(server, credentials, cuid="a"):
                    pytest.fail("there must be no session")


async def test_a_port_in_use_for_tcp_is_not_served_for_udp_alone(pki: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        provider = Provider(entitlements=ENTITLEMENTS, rng=Random(1))
        signal = ProviderServer(provider, rng=Random(1))

        with pytest.raises(OSError, match="in use"):
            await signal.listen(host="127.0.0.1", port=port, credentials=server_credentials(pki))

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", port))


async def test_port_0_finds_a_port_free_over_udp_and_tcp(
    pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def taken_twice(*args: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError(errno.EADDRINUSE, "in use")
        return await serve_tls(*args, **options)

    monkeypatch.setattr("dots_server.server.serve_tls", taken_twice)

    async with both(pki) as signal:
        assert tries >= 3
        assert [server.port for server in signal._servers] == [signal.port] * 2
