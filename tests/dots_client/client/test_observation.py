from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aiocoap
import pytest
from aiocoap import Code

from dots_client import MitigationReport, MitigationStatus, Refused, SessionClosed
from dots_client.client.observation import MAX_WAITING_REPORTS, Observation
from dots_client.codec import encode_reports
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import REPEATING, SCOPE, SETTINGS, Scene, in_session, silence
from tests.dots_client.transport.loopback import until

EAGER = replace(SETTINGS, poll_interval_s=0.1, eager_poll_interval_s=0.05)
MITIGATING = MitigationStatus.MITIGATING


async def following(reports: AsyncIterator[MitigationReport]) -> MitigationReport:
    async with asyncio.timeout(5):
        return await anext(reports)


def push(
    scene: Scene, observe: int | None, status: MitigationStatus, *, token: bytes | None = None
) -> None:
    """Send a notification that the server does not know about."""
    request = scene.provider.asked(Code.GET)[0]
    message = aiocoap.Message(
        code=Code.CONTENT,
        payload=encode_reports([MitigationReport(mid=1, status=status)]),
        observe=observe,
        # Deployed servers repeat options of the request.
        uri_path=request.opt.uri_path,
        uri_query=["c=a"],
    )
    message.remote = request.remote
    message.token = request.token if token is None else token
    message.mtype, message.mid = aiocoap.NON, request.mid
    request.remote.send_message(message)


@pytest.mark.rule("SC-049")
@pytest.mark.rule("SC-050")
async def test_notifications_arrive_in_order(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            first = await following(reports)
            scene.provider.notify(MitigationStatus.IN_PROGRESS)
            second = await following(reports)
            scene.provider.notify(MITIGATING)
            third = await following(reports)

        assert [report.status for report in (first, second, third)] == [
            None,
            MitigationStatus.IN_PROGRESS,
            MITIGATING,
        ]
        registration = scene.provider.asked(Code.GET)[0]
        assert registration.opt.observe == 0
        assert registration.mtype is aiocoap.NON


@pytest.mark.rule("SC-051")
async def test_cancelling_deregisters_with_the_same_token(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)
        async with scene.client.observe(1) as reports:
            await following(reports)
            assert scene.provider.observer_count == 1

        await until(lambda: scene.provider.observer_count == 0)
        registration, departure = scene.provider.asked(Code.GET)
        assert (registration.opt.observe, departure.opt.observe) == (0, 1)
        assert registration.token == departure.token


async def test_a_server_that_missed_the_deregistration_gets_a_reset(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)
        async with scene.client.observe(1) as reports:
            await following(reports)

        push(scene, 5, MITIGATING)

        await until(lambda: any(record.kind == "RST" for record in scene.wire))


async def test_a_lost_registration_is_repeated_with_the_same_token(authority: Authority) -> None:
    async with in_session(authority, REPEATING) as scene:
        await scene.client.request(1, SCOPE)
        scene.provider.script.extend([silence, silence])

        async with scene.client.observe(1) as reports:
            report = await following(reports)

            registrations = scene.provider.asked(Code.GET)
            assert report.mid == 1
            assert len(registrations) == 3
            assert len({request.token for request in registrations}) == 1
            assert len({request.mid for request in registrations}) == 3


async def test_the_end_of_a_mitigation_ends_its_observation(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            await following(reports)
            scene.provider.held.clear()
            scene.provider.updated_state()

            with pytest.raises(Refused, match=r"4\.04"):
                await following(reports)
            with pytest.raises(Refused):
                await following(reports)


async def test_an_unknown_mitigation_cannot_be_observed(authority: Authority) -> None:
    async with in_session(authority) as scene, scene.client.observe(9) as reports:
        with pytest.raises(Refused, match=r"4\.04"):
            await following(reports)


async def test_the_end_of_the_session_ends_an_observation(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            await following(reports)
            await scene.server.close()

            with pytest.raises(SessionClosed):
                await following(reports)


@pytest.mark.rule("SC-058")
async def test_an_older_notification_is_dropped(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            await following(reports)
            push(scene, 7, MITIGATING)
            push(scene, 6, MitigationStatus.IN_PROGRESS)
            push(scene, 8, MitigationStatus.ATTACK_STOPPED)

            statuses = [(await following(reports)).status for _ in range(2)]

        assert statuses == [MITIGATING, MitigationStatus.ATTACK_STOPPED]


async def test_a_first_answer_without_the_observe_option_does_not_end_the_observation(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        plain = encode_reports([MitigationReport(mid=1, status=MitigationStatus.IN_PROGRESS)])
        # An observer that aiocoap's server does not know.
        scene.provider.script.append(silence)

        async with scene.client.observe(1) as reports:
            await until(lambda: bool(scene.provider.asked(Code.GET)))
            request = scene.provider.asked(Code.GET)[0]
            message = aiocoap.Message(code=Code.CONTENT, payload=plain)
            message.remote, message.token = request.remote, request.token
            message.mtype, message.mid = aiocoap.NON, request.mid
            request.remote.send_message(message)
            first = await following(reports)
            push(scene, 3, MITIGATING)
            second = await following(reports)

        assert (first.status, second.status) == (MitigationStatus.IN_PROGRESS, MITIGATING)


@pytest.mark.rule("SC-052")
@pytest.mark.rule("SC-053")
@pytest.mark.rule("SC-059")
async def test_a_server_that_sends_no_notifications_is_polled(authority: Authority) -> None:
    async with in_session(authority, EAGER) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            await following(reports)
            # Changed, and the notification was lost.
            scene.provider.held[1] = MitigationReport(mid=1, status=MITIGATING)
            report = await following(reports)

        assert report.status is MITIGATING
        poll = scene.provider.asked(Code.GET)[1]
        assert poll.opt.observe is None
        assert poll.opt.uri_query == ("c=n",)


async def test_a_reader_that_falls_behind_misses_the_oldest(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        async with scene.client.observe(1) as reports:
            await following(reports)
            for number in range(1, MAX_WAITING_REPORTS + 11):
                push(scene, number, MITIGATING)
            assert isinstance(reports, Observation)
            await until(lambda: len(reports._waiting) == MAX_WAITING_REPORTS)


async def test_two_mitigations_are_observed_separately(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)
        await scene.client.request(2, SCOPE)

        async with scene.client.observe(1) as ones, scene.client.observe(2) as twos:
            assert (await following(ones)).mid == 1
            assert (await following(twos)).mid == 2
