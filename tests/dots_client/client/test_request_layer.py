from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from aiocoap import Code

from dots_client import RemoteProtocolError, RetransmissionSettings
from dots_client.client.request_layer import MAX_BLOCKS, MAX_OUTSTANDING_REPEATS
from dots_client.session.pacing import BURST
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE, SETTINGS, answer, in_session, silence
from tests.dots_client.transport.loopback import until

VERY_EAGER = replace(SETTINGS, retransmission=RetransmissionSettings(floor_s=0.001, jitter=0))


async def test_repeats_outstanding_have_a_bound(authority: Authority) -> None:
    async with in_session(authority, VERY_EAGER) as scene:
        scene.provider.script.extend([silence] * 200)
        asking = asyncio.create_task(scene.client.request(1, SCOPE))
        outgoing = scene.client._link.endpoint.tokens.outgoing_requests

        await until(lambda: len(scene.provider.requests) > MAX_OUTSTANDING_REPEATS + 5)

        assert len(outgoing) <= MAX_OUTSTANDING_REPEATS
        scene.provider.script.clear()
        await asking
        assert len(outgoing) == 0


@pytest.mark.rule("SC-018")
async def test_the_pace_follows_the_round_trip(authority: Authority) -> None:
    async with in_session(authority, VERY_EAGER) as scene:
        loop = asyncio.get_running_loop()
        await scene.client.heartbeat()
        for _ in range(40):
            scene.client._rtt.add(0.06)
        scene.server.drop_outgoing = lambda _datagram, _address: True
        started = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await scene.client.request(1, SCOPE)

        allowed = (loop.time() - started) / 0.05 + 1
        assert 3 <= len(scene.provider.requests) <= allowed


@pytest.mark.rule("SC-018")
@pytest.mark.rule("SC-020")
async def test_many_requests_together_send_no_faster_than_one(authority: Authority) -> None:
    async with in_session(authority, VERY_EAGER) as scene:
        loop = asyncio.get_running_loop()
        rtt_s, copies = 0.05, 20
        await scene.client.heartbeat()
        for _ in range(60):
            scene.client._rtt.add(rtt_s)
        scene.server.drop_outgoing = lambda _datagram, _address: True
        started = loop.time()
        asking = [asyncio.create_task(scene.client.request(mid, SCOPE)) for mid in range(copies)]
        # 2 seconds, unless the machine is busy.
        await until(lambda: len(scene.provider.requests) >= copies + 30, within_s=30)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

        elapsed = loop.time() - started
        requests = scene.provider.requests
        first = {request.opt.uri_path[-1] for request in requests[:copies]}
        assert len(first) == copies, "no first copy waits"
        assert len(requests) <= elapsed / (0.9 * rtt_s) + BURST + 1


async def test_the_outcomes_of_an_exchange_measure_the_round_trip(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        assert scene.client.rtt_s is not None
        assert scene.client.rtt_s < 0.5


async def test_an_answer_in_endless_blocks_is_an_error(authority: Authority) -> None:
    async with in_session(authority) as scene:
        for number in range(MAX_BLOCKS):
            scene.provider.script.append(answer(Code.CONTENT, bytes(16), block2=(number, True, 0)))
        scene.provider.cuts_blocks = False

        with pytest.raises(RemoteProtocolError, match="more than 64 blocks"):
            await scene.client.statuses()


@pytest.mark.rule("SC-056")
async def test_the_etag_of_the_first_block_is_repeated_and_a_change_is_noticed(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        scene.provider.cuts_blocks = False
        scene.provider.script.extend(
            [
                answer(Code.CONTENT, bytes(16), block2=(0, True, 0), etag=b"one"),
                answer(Code.CONTENT, bytes(16), block2=(1, False, 0), etag=b"two"),
            ]
        )

        with pytest.raises(RemoteProtocolError, match="changed between its blocks"):
            await scene.client.statuses()

        assert scene.provider.requests[1].opt.etags == (b"one",)
