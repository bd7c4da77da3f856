"""A client, a gateway and a provider on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dots_client import (
    AttackStatus,
    Client,
    Conflicted,
    HopLimitReached,
    MitigationStatus,
    Refused,
    Server,
    ServerUnavailable,
)
from provider_simulator import gateway_server
from provider_simulator.behaviour import Behaviour
from provider_simulator.control import gateway_app
from provider_simulator.gateway_server import GatewayServer
from provider_simulator.pki import make_pki
from provider_simulator.provider_server import ProviderServer
from tests.provider_simulator.gateways import GATEWAYS, PLAY, Network
from tests.provider_simulator.offline import scope
from tests.provider_simulator.test_server import PATIENCE_S, eventually, until

Status = MitigationStatus


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    make_pki(directory, providers=["northgate", *GATEWAYS], clients=["acme", "globex", *GATEWAYS])
    return directory


@pytest.fixture
async def network(pki: Path) -> AsyncIterator[Network]:
    async with AsyncExitStack() as stack:
        yield Network(pki, stack)


@pytest.fixture
async def northgate(network: Network) -> ProviderServer:
    return await network.provider()


@pytest.fixture
async def edge(network: Network, northgate: ProviderServer) -> GatewayServer:
    """A gateway with a session upstream."""
    edge = await network.gateway("edge-1", "northgate", northgate.port)
    await eventually(lambda: edge.upstream.client is not None)
    return edge


@pytest.fixture
async def acme(network: Network, edge: GatewayServer) -> Client:
    return await network.client(edge)


@asynccontextmanager
async def soon() -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE_S):
        yield


def asked(signal: ProviderServer, method: str = "PUT") -> list[dict[str, Any]]:
    return [one for one in signal.requests.after(0) if one["method"] == method and one["cuid"]]


async def test_a_mitigation_lives_at_the_provider_and_its_reports_come_back(
    acme: Client, northgate: ProviderServer
) -> None:
    async with soon():
        granted = await acme.request(1, scope(lifetime=600))
        async with acme.observe(1) as reports:
            filtering = await until(reports, Status.MITIGATING)
            await acme.efficacy(1, scope(lifetime=600), AttackStatus.UNDER_ATTACK)
            [held] = northgate.provider.register
            await acme.withdraw(1)
            await until(reports, Status.TERMINATED)

    assert (granted.mid, granted.lifetime, filtering.mid) == (1, 600, 1)
    assert (held.client, held.cuid, held.mid) == ("edge-1", acme.cuid, 1)
    assert held.efficacy is AttackStatus.UNDER_ATTACK


@pytest.mark.rule("SS-082")
async def test_the_gateway_tells_the_provider_the_cdid_of_its_client(
    acme: Client, northgate: ProviderServer
) -> None:
    async with soon():
        await acme.request(1, scope())

    [seen] = asked(northgate)
    # The cdid is made like a cuid, and here from the same certificate.
    assert seen["path"].endswith(f"/mitigate/cdid={acme.cuid}/cuid={acme.cuid}/mid=1")


@pytest.mark.rule("SS-073")
@pytest.mark.rule("SS-078")
async def test_heartbeats_and_configuration_are_not_forwarded(
    network: Network, edge: GatewayServer, northgate: ProviderServer
) -> None:
    acme = await network.client(edge)
    async with soon():
        assert await acme.heartbeat()
        await acme.configuration()
        await eventually(lambda: "config" in str(northgate.requests.after(0)))

    own = [one["path"].rpartition("/")[2] for one in northgate.requests.after(0)]
    # The gateway read the configuration once, for its own session.
    assert own.count("config") == 1
    assert edge.forwarded == 0
    assert [one.client for one in northgate.provider.sessions.values()] == ["edge-1"]


async def test_an_observer_that_leaves_is_forgotten_on_both_sides(
    acme: Client, edge: GatewayServer, northgate: ProviderServer
) -> None:
    async with soon():
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)
            assert (len(northgate.provider.observers), edge.state()["observations"]) == (1, 1)

        await eventually(lambda: len(northgate.provider.observers) == 0)
        await eventually(lambda: edge.state()["observations"] == 0)


async def test_the_observation_of_a_client_that_vanishes_ends(
    acme: Client, edge: GatewayServer, northgate: ProviderServer
) -> None:
    async with soon():
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)
            await acme.close()

            await eventually(lambda: len(northgate.provider.observers) == 0)

    assert edge.state()["observations"] == 0


async def test_a_refusal_of_the_provider_is_forwarded_unchanged(
    acme: Client, northgate: ProviderServer
) -> None:
    northgate.behave(
        Behaviour().changed({"accept": "refuse", "refuse_code": "4.09", "refuse_reason": "no"})
    )

    async with soon():
        with pytest.raises(Conflicted) as refused:
            await acme.request(1, scope())

    assert refused.value.conflict.targets is not None


async def test_the_gateway_forwards_an_answer_of_several_blocks(
    network: Network, edge: GatewayServer
) -> None:
    acme = await network.client(edge, block_bytes=256)
    async with soon():
        for mid in range(1, 12):
            await acme.request(mid, scope(f"203.0.113.{mid}/32"))

        reports = await acme.statuses()

    assert sorted(report.mid or 0 for report in reports) == list(range(1, 12))


async def test_clients_of_one_gateway_are_isolated(network: Network, edge: GatewayServer) -> None:
    acme, globex = await network.client(edge), await network.client(edge, name="globex")
    async with soon():
        await acme.request(1, scope())
        await globex.request(1, scope("198.51.100.7/32"))
        with pytest.raises(Refused, match=r"outside the domain of globex"):
            await globex.request(2, scope())
        globex.cuid = acme.cuid
        with pytest.raises(Refused) as seen:
            await globex.status(1)
        await globex.withdraw(1)

        assert (await acme.status(1)).mid == 1

    assert seen.value.code == "4.04"


@pytest.mark.rule("SS-092")
async def test_a_gateway_cannot_request_more_than_its_own_domain(acme: Client) -> None:
    async with soon():
        with pytest.raises(Refused, match=r"192.0.2.7/32 is outside the domain of edge-1"):
            await acme.request(1, scope("192.0.2.7/32"))


@pytest.mark.rule("SS-086")
async def test_two_looping_gateways_are_both_named(network: Network) -> None:
    first = await network.gateway("edge-1", "edge-2", 9, first_hop_limit=4, trusts=["edge-2"])
    second = await network.gateway("edge-2", "edge-1", first.port, trusts=["edge-1"])
    first.upstream.server = Server(name="edge-2.example", host="127.0.0.1", port=second.port)
    first.upstream.wanted()
    await eventually(lambda: first.upstream.client is not None)
    await eventually(lambda: second.upstream.client is not None)
    acme = await network.client(first)

    async with soon():
        with pytest.raises(HopLimitReached) as looped:
            await acme.request(1, scope())

    assert looped.value.gateways == ("edge-1", "edge-2", "edge-1", "edge-2", "edge-1")
    assert (first.forwarded, second.forwarded) == (2, 2)


async def test_a_gateway_without_a_session_upstream_answers_5_03(network: Network) -> None:
    edge = await network.gateway("edge-1", "northgate", 9)
    acme = await network.client(edge)

    async with soon():
        with pytest.raises(ServerUnavailable, match=r"the provider") as asked_for:
            await acme.request(1, scope())
        with pytest.raises(ServerUnavailable):
            async with acme.observe(1) as reports:
                await anext(reports)

    assert (asked_for.value.code, asked_for.value.retry_after_s) == ("5.03", 5)


async def test_a_crash_of_the_provider_ends_observations_until_it_returns(
    network: Network,
    acme: Client,
    edge: GatewayServer,
    northgate: ProviderServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_server, "ANSWER_WITHIN_S", 0.2)
    async with soon():
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await until(reports, Status.MITIGATING)
            northgate.crash()
            with pytest.raises(ServerUnavailable, match=r"the provider does not answer"):
                await acme.request(2, scope())
            with pytest.raises(ServerUnavailable):
                await until(reports, Status.TERMINATED)

        assert edge.state()["upstream"]["is_up"] is False
        await eventually(lambda: edge.upstream.client is not None)
        assert (await acme.request(1, scope())).mid == 1


async def test_the_gateway_keeps_its_session_with_a_provider_that_ignores_a_request(
    acme: Client,
    edge: GatewayServer,
    northgate: ProviderServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_server, "ANSWER_WITHIN_S", 0.1)
    northgate.behave(Behaviour().changed({"accept": "silent"}))
    session = edge.upstream.client
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await acme.request(1, scope())

    northgate.behave(PLAY)
    async with soon():
        assert (await acme.request(1, scope())).mid == 1

    assert edge.upstream.client is session


async def test_a_message_lost_behind_the_gateway_is_repeated_by_the_client(
    acme: Client, edge: GatewayServer, northgate: ProviderServer
) -> None:
    northgate.behave(PLAY.changed({"loss": 0.5}))

    async with asyncio.timeout(4 * PATIENCE_S):
        assert (await acme.request(1, scope())).mid == 1


async def test_a_redirection_is_followed_by_the_gateway_not_by_its_clients(
    network: Network, acme: Client, edge: GatewayServer, northgate: ProviderServer
) -> None:
    northgate.behave(PLAY.changed({"redirect_to": "other.example 192.0.2.7"}))

    async with soon():
        with pytest.raises(ServerUnavailable, match="the provider") as answer:
            await acme.request(1, scope())

    assert type(answer.value) is ServerUnavailable


async def test_the_gateway_refuses_requests_beyond_its_bounds(
    acme: Client, edge: GatewayServer, northgate: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_server, "MAX_WAITING", 0)
    monkeypatch.setattr(gateway_server, "MAX_OBSERVATIONS", 0)

    async with soon():
        with pytest.raises(ServerUnavailable, match="too busy"):
            await acme.request(1, scope())
        with pytest.raises(ServerUnavailable, match="too busy"):
            async with acme.observe(1) as reports:
                await anext(reports)

    assert asked(northgate) == []


async def test_the_control_interface_shows_the_state_of_a_gateway(
    acme: Client, edge: GatewayServer
) -> None:
    async with soon():
        await acme.request(1, scope())
    transport = httpx.ASGITransport(gateway_app(edge))
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as control:
        health = (await control.get("/healthz")).json()
        state = (await control.get("/state")).json()
        requests = (await control.get("/requests")).json()["requests"]

    assert health == {"status": "ok", "name": "edge-1", "signal_port": edge.port}
    assert state["upstream"] == {"server": "northgate.example", "is_up": True, "why": ""}
    assert [one["client"] for one in state["sessions"]] == ["acme"]
    [put] = [one for one in requests if one["method"] == "PUT" and one["cuid"]]
    assert (put["client"], put["mid"], put["answer"]) == ("acme", 1, "2.01")
