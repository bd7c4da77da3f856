from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiocoap
import pytest
from aiocoap import Code

from dots_client import Refused, SessionClosed
from dots_client.client.heartbeats import MAX_OUTSTANDING_HEARTBEATS
from dots_client.codec import HEARTBEAT_PATH
from dots_client.transport.dtls_server import ServerSession
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE, SETTINGS, answer, in_session
from tests.dots_client.transport.loopback import until

TRUE = bytes.fromhex("a11831a11833f5")
FALSE = bytes.fromhex("a11831a11833f4")
FAST = replace(SETTINGS, heartbeat_interval_s=0.05, missing_hb_allowed=3)


async def ask_client(session: ServerSession, **changes: Any) -> aiocoap.Message:
    """A valid heartbeat of the server, except for `changes`."""
    message = aiocoap.Message(
        transport_tuning=aiocoap.Unreliable(),
        **{
            "code": Code.PUT,
            "uri_path": HEARTBEAT_PATH,
            "payload": TRUE,
            "content_format": 271,
            **changes,
        },
    )
    async with asyncio.timeout(5):
        return await session.request(message)


@pytest.mark.rule("SC-011")
@pytest.mark.rule("SC-087")
@pytest.mark.rule("SC-086")
async def test_the_first_heartbeat_is_sent_immediately(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await until(lambda: scene.provider.heartbeats == [True])

        (record,) = [record for record in scene.wire if record.direction == "sent"]
        assert (record.kind, record.code, record.path) == ("NON", "0.03", "/.well-known/dots/hb")
        assert record.payload == TRUE


@pytest.mark.rule("SC-086")
@pytest.mark.rule("SC-089")
async def test_heartbeats_follow_at_their_interval(authority: Authority) -> None:
    async with in_session(authority, FAST) as scene:
        started = asyncio.get_running_loop().time()

        await until(lambda: len(scene.provider.heartbeats) >= 4)

        assert 0.1 <= asyncio.get_running_loop().time() - started < 1


@pytest.mark.rule("SC-086")
@pytest.mark.parametrize("payload", [TRUE, FALSE], ids=["hears us", "does not hear us"])
async def test_a_heartbeat_of_the_server_is_answered(authority: Authority, payload: bytes) -> None:
    async with in_session(authority) as scene:
        answer = await ask_client(scene.session, payload=payload)

        assert (answer.code, answer.payload, answer.mtype) == (Code.CHANGED, b"", aiocoap.NON)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payload": b""}, Code.BAD_REQUEST),
        ({"payload": b"\xf6"}, Code.BAD_REQUEST),
        ({"payload": bytes.fromhex("a11831a0")}, Code.BAD_REQUEST),
        ({"payload": TRUE + b"\0"}, Code.BAD_REQUEST),
        ({"content_format": 60}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"code": Code.GET, "payload": b""}, Code.METHOD_NOT_ALLOWED),
        ({"uri_path": ["somewhere", "else"]}, Code.NOT_FOUND),
        ({"if_match": [b"x"]}, Code.BAD_OPTION),
    ],
)
async def test_anything_but_a_heartbeat_is_refused(
    authority: Authority, changes: dict[str, Any], code: aiocoap.Code
) -> None:
    async with in_session(authority) as scene:
        answer = await ask_client(scene.session, **changes)

        assert answer.code is code
        assert answer.payload


@pytest.mark.rule("SC-088")
async def test_the_client_reports_missing_heartbeats_of_the_server(
    authority: Authority,
) -> None:
    async with in_session(authority, FAST) as scene:
        await until(lambda: False in scene.provider.heartbeats)

        scene.provider.heartbeats.clear()
        await ask_client(scene.session)
        await until(lambda: True in scene.provider.heartbeats)


@pytest.mark.rule("SC-090")
async def test_a_silent_server_ends_the_session_in_peacetime(authority: Authority) -> None:
    async with in_session(authority, FAST) as scene:
        scene.provider.answers_heartbeats = False

        async with asyncio.timeout(5):
            reason = await scene.client.closed()

        assert isinstance(reason, SessionClosed)
        assert str(reason) == "3 heartbeats in a row had no answer"


async def test_a_killed_server_is_detected_by_heartbeats(authority: Authority) -> None:
    async with in_session(authority, FAST) as scene:
        await until(lambda: bool(scene.provider.heartbeats))
        await scene.server.abort()

        async with asyncio.timeout(5):
            reason = await scene.client.closed()

        assert str(reason) == "3 heartbeats in a row had no answer"


@pytest.mark.rule("SC-092")
@pytest.mark.rule("SC-093")
async def test_heartbeats_continue_under_attack_and_the_session_stays_up(
    authority: Authority,
) -> None:
    async with in_session(authority, FAST) as scene:
        scene.client.mitigating = True
        scene.provider.answers_heartbeats = False
        count = len(scene.provider.heartbeats)

        await until(lambda: len(scene.provider.heartbeats) >= count + 6)

        closed = asyncio.create_task(scene.client.closed())
        done, _ = await asyncio.wait({closed}, timeout=0.01)
        assert not done
        closed.cancel()


async def test_after_the_attack_counting_starts_again(authority: Authority) -> None:
    async with in_session(authority, FAST) as scene:
        scene.client.mitigating = True
        scene.provider.answers_heartbeats = False
        await until(lambda: len(scene.provider.heartbeats) >= 6)
        count = len(scene.provider.heartbeats)

        scene.client.mitigating = False
        async with asyncio.timeout(5):
            await scene.client.closed()

        assert len(scene.provider.heartbeats) >= count + 3


async def test_no_heartbeats_are_sent_when_they_are_off(authority: Authority) -> None:
    async with in_session(authority, replace(SETTINGS, heartbeat_interval_s=0)) as scene:
        assert await scene.client.heartbeat() is True

        assert len(scene.provider.heartbeats) == 1


async def test_a_heartbeat_can_be_sent_on_request(authority: Authority) -> None:
    async with in_session(authority, replace(SETTINGS, heartbeat_wait_s=0.05)) as scene:
        assert await scene.client.heartbeat() is True

        scene.provider.answers_heartbeats = False
        assert await scene.client.heartbeat() is False

        await scene.client.close()
        with pytest.raises(SessionClosed):
            await scene.client.heartbeat()


async def test_the_number_of_unanswered_heartbeats_is_limited(authority: Authority) -> None:
    async with in_session(authority, FAST) as scene:
        scene.client.mitigating = True
        scene.provider.answers_heartbeats = False
        endpoint = scene.client._link.endpoint

        for _ in range(MAX_OUTSTANDING_HEARTBEATS * 2):
            scene.client._heartbeats.send(lambda _outcome: None)

        assert len(endpoint.tokens.outgoing_requests) == MAX_OUTSTANDING_HEARTBEATS


async def test_a_refused_heartbeat_is_reported_and_the_session_stays_up(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        assert scene.client.heartbeat_refusal is None
        scene.provider.heartbeat_answer = answer(Code.UNAUTHORIZED, b"who are you?")

        with pytest.raises(Refused, match=r"^4\.01 who are you\?$"):
            await scene.client.heartbeat()

        assert isinstance(scene.client.heartbeat_refusal, Refused)
        assert scene.client.heartbeat_refusal.code == "4.01"
        assert (await scene.client.request(1, SCOPE)).lifetime == 3600

        scene.provider.heartbeat_answer = None
        assert await scene.client.heartbeat()
        assert scene.client.heartbeat_refusal is None
