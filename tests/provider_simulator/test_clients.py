"""Real clients and the provider, over DTLS."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiocoap
import pytest

from dots_client import (
    INDEFINITE,
    ConfigurationSet,
    Conflicted,
    FilterControl,
    MidAllocator,
    MitigationStatus,
    Parameter,
    Refused,
    Scope,
    SignalConfig,
    Targets,
    WireRecord,
    own_winner,
    request_with_any_cuid,
    roll_over,
)
from dots_client.server import mitigate_path
from dots_client.session.mids import ROLL_OVER_AT
from dots_server.configuration import LIMITS
from tests.provider_simulator.conftest import Running
from tests.provider_simulator.offline import scope

Status = MitigationStatus
ARMED = scope("203.0.113.0/24", lifetime=INDEFINITE, trigger_mitigation=False)


@pytest.mark.rule("SC-007")
@pytest.mark.rule("SS-006")
async def test_a_client_sees_its_own_mitigations(running: Running) -> None:
    async with running.client("acme") as acme, running.client("globex") as globex:
        await acme.request(1, scope())
        await globex.request(7, scope("198.51.100.0/24"))

        assert [report.mid for report in await acme.statuses()] == [1]
        with pytest.raises(Refused, match=r"4\.04"):
            await acme.status(7)


@pytest.mark.rule("SC-043")
async def test_a_client_that_asked_for_an_indefinite_lifetime_learns_the_granted_one(
    running: Running,
) -> None:
    await running.behave(may_be_indefinite=False, max_lifetime_s=600)

    async with running.client() as acme:
        granted = await acme.request(1, scope(lifetime=INDEFINITE))

        assert granted.lifetime == 600


@pytest.mark.rule("SC-045")
@pytest.mark.rule("SC-069")
async def test_a_terminating_mitigation_resumes_under_a_new_mid(running: Running) -> None:
    await running.behave(terminating_s=60)

    async with running.client() as acme:
        await acme.request(1, scope())
        await acme.withdraw(1)
        assert (await acme.status(1)).status is Status.TERMINATING
        await acme.request(2, scope())

        assert [report.mid for report in await acme.statuses()] == [2]


@pytest.mark.rule("SC-030")
@pytest.mark.rule("SS-019")
async def test_a_client_gives_up_a_cuid_used_by_another_client(running: Running) -> None:
    async with running.client("acme") as acme, running.client("globex") as globex:
        await acme.request(1, scope())
        globex.cuid = acme.cuid
        new_cuids: list[str] = []

        await request_with_any_cuid(
            globex, 1, scope("198.51.100.0/24"), on_new_cuid=new_cuids.append
        )

        assert new_cuids == [globex.cuid]
        assert [report.mid for report in await globex.statuses()] == [1]


@pytest.mark.rule("SC-072")
@pytest.mark.rule("SS-033")
async def test_a_lower_mid_loses_against_the_clients_own_higher_one(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(5, scope())

        with pytest.raises(Conflicted) as conflicted:
            await acme.request(4, scope())

        assert own_winner(conflicted.value.conflict) == 5


@pytest.mark.rule("SC-034")
async def test_preconfigured_requests_survive_a_roll_over(running: Running) -> None:
    async with running.client() as acme:
        await acme.request(ROLL_OVER_AT, ARMED)
        mids = MidAllocator(ROLL_OVER_AT + 1)

        await roll_over(
            acme,
            mids,
            {ROLL_OVER_AT: ARMED},
            is_under_attack=False,
            on_renumbered=lambda _old, _new: None,
        )

        assert (await acme.status(0)).status is Status.SIGNAL_LOSS
        assert mids.allocate() == 1


@pytest.mark.rule("SC-071")
async def test_a_preconfigured_request_is_refreshed_like_any_other(running: Running) -> None:
    armed = replace(ARMED, lifetime=600)
    async with running.client() as acme:
        await acme.request(1, armed)

        refreshed = await acme.request(1, replace(armed, lifetime=1200))

        assert refreshed.lifetime == 1200
        assert (await acme.status(1)).status is Status.SIGNAL_LOSS


async def test_32_targets_of_mixed_kinds_fit_one_request(running: Running) -> None:
    mixed = Scope(
        targets=Targets(
            target_prefix=tuple(f"2001:db8:10:{index:x}::/64" for index in range(20)),
            target_fqdn=tuple(f"www{index}.acme.example" for index in range(6)),
            target_uri=tuple(f"https://api{index}.acme.example/" for index in range(6)),
        )
    )
    async with running.client() as acme:
        await acme.request(1, mixed)

        assert (await acme.status(1)).targets == mixed.targets


async def test_only_existing_filters_are_switched_and_only_during_a_mitigation(
    running: Running,
) -> None:
    filtered = replace(scope(), acl_list=(FilterControl(acl_name="partners"),))
    async with running.client() as acme:
        with pytest.raises(Refused, match=r"4\.00 .*no mitigation is active"):
            await acme.request(1, filtered)
        await acme.request(2, scope())
        with pytest.raises(Refused, match=r"4\.04 no filter partners is known"):
            await acme.request(3, filtered)

        assert [report.mid for report in await acme.statuses()] == [2]


@pytest.mark.rule("SC-021")
@pytest.mark.rule("SS-016")
async def test_the_configuration_is_requested_confirmably_and_returned_in_the_acknowledgement(
    running: Running,
) -> None:
    wire: list[WireRecord] = []
    async with running.client(on_wire=wire.append, reads_configuration=False) as acme:
        await acme.configuration()

    kinds = [(record.kind, record.code) for record in wire if record.path.endswith("/config")]
    assert kinds == [("CON", "0.01"), ("ACK", "2.05")]


@pytest.mark.rule("SC-016")
@pytest.mark.rule("SS-015")
@pytest.mark.rule("SS-017")
async def test_mitigations_and_their_notifications_are_never_confirmable(running: Running) -> None:
    wire: list[WireRecord] = []
    async with running.client(on_wire=wire.append) as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            for _ in range(3):
                await anext(reports)
        await acme.withdraw(1)

    assert {record.kind for record in wire if "/mitigate/" in record.path} == {"NON"}


@pytest.mark.rule("SS-017")
async def test_a_confirmable_observation_gets_non_confirmable_notifications(
    running: Running,
) -> None:
    wire: list[WireRecord] = []
    async with running.client(on_wire=wire.append) as acme:
        await acme.request(1, scope())
        message = aiocoap.Message(
            code=aiocoap.GET,
            uri_path=mitigate_path(acme.cuid, 1),
            observe=0,
            transport_tuning=aiocoap.Reliable(),
            _token=b"watching",
        )
        message.remote = acme._link.remote
        notified = asyncio.Event()
        answers: list[object] = []

        def receive(answer: aiocoap.Message | None, _error: Exception | None) -> None:
            answers.append(answer)
            if len(answers) == 3:
                notified.set()

        stop = acme._link.endpoint.request(message, receive)
        async with asyncio.timeout(10):
            await notified.wait()
        stop()

    kinds = [
        record.kind
        for record in wire
        if record.token == b"watching".hex() and record.direction == "received"
    ]
    assert kinds[:3] == ["ACK", "NON", "NON"]


@pytest.mark.rule("SC-082")
@pytest.mark.rule("SS-070")
async def test_a_client_can_restore_the_default_configuration(running: Running) -> None:
    wanted = SignalConfig(idle=ConfigurationSet(heartbeat_interval=Parameter(current=60)))
    async with running.client() as acme:
        await acme.configure(wanted, 1)
        changed = (await acme.configuration()).idle
        restored = (await acme.restore_configuration()).idle

    assert changed is not None
    assert restored is not None
    assert changed.heartbeat_interval != restored.heartbeat_interval == LIMITS.heartbeat_interval
