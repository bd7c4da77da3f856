"""How deployed servers deviate from RFC 9132, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from aiocoap import Code, Message

from dots_client import (
    Client,
    ConfigurationSet,
    LocalProtocolError,
    MidAllocator,
    MitigationReport,
    MitigationStatus,
    Parameter,
    Redirected,
    Refused,
    ServerUnavailable,
    SignalConfig,
    Targets,
    WireRecord,
    cuid_from_certificate,
)
from dots_client.codec import encode_config, encode_request
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE
from tests.dots_client.interop.replay import (
    ACK,
    BAD_REQUEST,
    BODY,
    CHANGED,
    CONTENT,
    CREATED,
    DELETED,
    DOTS,
    NON,
    NOT_FOUND,
    PATIENT,
    UNAVAILABLE,
    URI_PATH,
    URI_QUERY,
    replaying,
    reply,
    say,
)
from tests.dots_client.transport.loopback import until

GRANTED = bytes.fromhex("a101a10281a205010e190e10")
STATUS_1 = bytes.fromhex("a101a10281a3050110010e190e10")
STATUS_2 = bytes.fromhex("a101a10281a3050110020e190e10")
TERMINATING_120 = bytes.fromhex("a101a10281a3050110050e1878")
TERMINATED = bytes.fromhex("a101a10281a3050110060e00")
REDIRECT = bytes.fromhex("a1182ea1182f6b616c742e6578616d706c65")
CONFIG_90 = bytes.fromhex("a1181ea1182ca11821a11824185a")
"""idle-config with a heartbeat-interval of 90 seconds."""

Status = MitigationStatus


async def put(client: Client) -> MitigationReport:
    return await client.request(1, SCOPE)


async def get(client: Client) -> MitigationReport:
    return await client.status(1)


async def delete(client: Client) -> None:
    await client.withdraw(1)


async def config(client: Client) -> SignalConfig:
    return await client.configuration()


async def following(reports: AsyncIterator[MitigationReport]) -> int | None:
    async with asyncio.timeout(5):
        return (await anext(reports)).status


def observe_of(request: Message) -> object:
    return request.opt.observe


@pytest.mark.parametrize("kind", [NON, ACK])
async def test_a_response_of_any_type_is_accepted_by_its_token(
    authority: Authority, kind: int
) -> None:
    async with replaying(authority) as server:
        granted = await server.result_of(put, kind, CREATED, DOTS + BODY + GRANTED)
        known = await server.result_of(config, kind, CONTENT, DOTS + BODY + CONFIG_90)

        assert granted.lifetime == 3600
        assert known.idle is not None
        assert known.idle.heartbeat_interval == Parameter(current=90)


async def test_a_message_id_that_comes_back_is_not_taken_for_a_duplicate(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        lifetimes = []
        for number in range(1, 4):
            asking = asyncio.ensure_future(put(server.client))
            request = await server.received(number)
            reply(request, NON, CREATED, DOTS + BODY + GRANTED, message_id=7)
            lifetimes.append((await asking).lifetime)

        assert lifetimes == [3600, 3600, 3600]


# The same options, as the first of a response and after the Observe of a notification.
@pytest.mark.parametrize(
    ("repeated", "repeated_after_observe"), [(URI_PATH, b"\x54dots"), (URI_QUERY, b"\x93c=a")]
)
async def test_options_of_the_request_are_ignored_in_responses_and_notifications(
    authority: Authority, repeated: bytes, repeated_after_observe: bytes
) -> None:
    async with replaying(authority) as server:
        answered = await server.result_of(get, NON, CONTENT, repeated + BODY + STATUS_1)
        async with server.client.observe(1) as reports:
            request = await server.received(2)
            options = b"\x61\x02" + repeated_after_observe
            reply(request, NON, CONTENT, options + BODY + STATUS_2)
            notified = await following(reports)

        assert (answered.lifetime, notified) == (3600, Status.MITIGATING)


async def test_a_subscription_lives_although_its_first_answer_has_no_observe_option(
    authority: Authority,
) -> None:
    async with replaying(authority) as server, server.client.observe(1) as reports:
        request = await server.received(1)
        reply(request, NON, CONTENT, DOTS + BODY + STATUS_1)
        assert await following(reports) is Status.IN_PROGRESS
        reply(request, NON, CONTENT, b"\x61\x05\x62\x01\x0f" + BODY + STATUS_2, message_id=9)

        assert await following(reports) is Status.MITIGATING


async def test_a_server_that_has_not_shown_that_it_notifies_is_polled_too(
    authority: Authority,
) -> None:
    settings = replace(PATIENT, eager_poll_interval_s=0.1)
    async with replaying(authority, settings) as server, server.client.observe(1) as reports:
        reply(await server.received(1), NON, CONTENT, DOTS + BODY + STATUS_1)
        assert await following(reports) is Status.IN_PROGRESS
        waiting = asyncio.ensure_future(following(reports))
        poll = await server.received(2)
        reply(poll, NON, CONTENT, DOTS + BODY + STATUS_2)

        assert await waiting is Status.MITIGATING
        assert observe_of(poll) is None


async def test_each_mitigation_is_observed_separately(authority: Authority) -> None:
    async with (
        replaying(authority) as server,
        server.client.observe(1) as ones,
        server.client.observe(2) as twos,
    ):
        first, second = await server.received(1), await server.received(2)

        assert [request.opt.uri_path[-1] for request in (first, second)] == ["mid=1", "mid=2"]
        assert first.token != second.token
        reply(first, NON, CONTENT, b"\x61\x01\x62\x01\x0f" + BODY + STATUS_2)
        assert await following(ones) is Status.MITIGATING
        other = STATUS_1.replace(b"\x05\x01\x10", b"\x05\x02\x10")
        reply(second, NON, CONTENT, b"\x61\x01\x62\x01\x0f" + BODY + other)
        assert await following(twos) is Status.IN_PROGRESS


async def test_a_session_sends_a_heartbeat_and_reads_the_configuration_before_any_request(
    authority: Authority,
) -> None:
    settings = replace(PATIENT, reads_configuration=True)
    async with replaying(authority, settings) as server:
        refreshing = asyncio.ensure_future(put(server.client))
        await server.received(2)
        sent = [record for record in server.scene.wire if record.direction == "sent"]
        refreshing.cancel()

        assert [(record.code, record.path.split("/")[3]) for record in sent[:3]] == [
            ("0.03", "hb"),
            ("0.01", "config"),
            ("0.03", "mitigate"),
        ]


def test_bodies_have_one_definite_outer_map_and_decimals_are_tag_4() -> None:
    halves = ConfigurationSet(ack_timeout=Parameter(current=Decimal("2.50")))

    assert encode_request(SCOPE).hex() == "a101a10281a206816c3139322e302e322e302f32340e190e10"
    assert encode_config(SignalConfig(idle=halves)).hex() == ("a1181ea1182ca11827a1182bc4822118fa")


@pytest.mark.parametrize(
    "rest", [DOTS + BODY + b"\xf6", b"\xc2\0\0" + BODY + b"\xf6", b"\xc0" + BODY + b"\xf6", b""]
)
async def test_an_acceptance_without_content_is_an_acceptance(
    authority: Authority, rest: bytes
) -> None:
    async with replaying(authority) as server:
        for code in (CREATED, CHANGED):
            assert await server.result_of(put, NON, code, rest) == MitigationReport(mid=1)


async def test_a_deletion_may_carry_a_text(authority: Authority) -> None:
    async with replaying(authority) as server:
        await server.result_of(delete, NON, DELETED, b"\xc2\0\0" + BODY + b"Deleted")


@pytest.mark.parametrize("label", [b"\xc0", b"\xc2\0\0", b"", DOTS])
async def test_a_redirection_is_read_whatever_its_label(authority: Authority, label: bytes) -> None:
    async with replaying(authority) as server:
        with pytest.raises(Redirected) as redirected:
            await server.result_of(put, NON, UNAVAILABLE, label + BODY + REDIRECT)

        assert redirected.value.redirect.alt_server == "alt.example"


@pytest.mark.parametrize(
    ("code", "error"),
    [(BAD_REQUEST, Refused), (0xA0, ServerUnavailable), (0xA3, ServerUnavailable)],
)
async def test_the_text_of_an_error_reaches_the_person(
    authority: Authority, code: int, error: type[Exception]
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(error, match="mid is too low"):
            await server.result_of(put, NON, code, b"\xc0" + BODY + b"mid is too low")


async def test_a_mitigation_ends_when_the_server_reports_it_and_not_with_the_acknowledgement(
    authority: Authority,
) -> None:
    async with replaying(authority) as server, server.client.observe(1) as reports:
        observation = await server.received(1)
        reply(observation, NON, CONTENT, b"\x61\x01\x62\x01\x0f" + BODY + STATUS_2)
        assert await following(reports) is Status.MITIGATING

        await server.result_of(delete, NON, DELETED, b"")
        reply(
            observation,
            NON,
            CONTENT,
            b"\x61\x02\x62\x01\x0f" + BODY + TERMINATING_120,
            message_id=8,
        )
        async with asyncio.timeout(5):
            report = await anext(reports)
        assert (report.status, report.lifetime) == (Status.TERMINATING, 120)
        reply(observation, NON, CONTENT, b"\x61\x03\x62\x01\x0f" + BODY + TERMINATED, message_id=9)
        assert await following(reports) is Status.TERMINATED
        reply(observation, NON, NOT_FOUND, BODY + b"no such mid", message_id=10)
        with pytest.raises(Refused, match=r"4\.04"):
            await following(reports)


async def test_a_deletion_always_names_its_mid(authority: Authority) -> None:
    async with replaying(authority) as server:
        await server.result_of(delete, NON, DELETED, b"")

        assert server.requests[0].opt.uri_path[-2:] == (f"cuid={CUID}", "mid=1")


async def test_a_request_beyond_one_datagram_is_not_sent_in_blocks(authority: Authority) -> None:
    many = Targets(target_prefix=tuple(f"2001:db8:{n:x}::/48" for n in range(1, 121)))
    async with replaying(authority) as server:
        with pytest.raises(LocalProtocolError, match="split its targets"):
            await server.client.request(1, replace(SCOPE, targets=many))

        assert server.requests == []


# CoAP suggests CON, RFC 9132 says NON: servers use both.
@pytest.mark.parametrize(("kind", "answered"), [(0x40, "ACK"), (NON, "NON")])
async def test_a_heartbeat_of_the_server_is_answered_on_the_same_session_while_others_wait(
    authority: Authority, kind: int, answered: str
) -> None:
    async with replaying(authority) as server:
        waiting = asyncio.ensure_future(put(server.client))
        await server.received(1)
        hb = bytes.fromhex("bb2e77656c6c2d6b6e6f776e04646f747302686212010fffa11831a11833f5")
        say(server.scene.session, bytes([kind | 1, 0x03, 0x12, 0x34]) + b"\xaa" + hb)
        await until(lambda: any(record.token == "aa" for record in _sent(server.scene.wire)))
        waiting.cancel()

        (answer,) = [record for record in _sent(server.scene.wire) if record.token == "aa"]
        assert (answer.kind, answer.code, answer.payload) == (answered, "2.04", b"")


async def test_our_heartbeat_is_the_first_message_of_a_session(authority: Authority) -> None:
    async with replaying(authority) as server:
        await until(lambda: bool(server.scene.wire))

        assert server.scene.wire[0].path == "/.well-known/dots/hb"
        assert server.scene.wire[0].payload.hex() == "a11831a11833f5"


def test_each_certificate_has_another_cuid(authority: Authority) -> None:
    one, other = authority.client("acme"), authority.client("acme")

    assert cuid_from_certificate(one.certificate_chain) != cuid_from_certificate(
        other.certificate_chain
    )


async def test_a_refresh_repeats_the_lists_in_the_order_first_sent(authority: Authority) -> None:
    mixed = replace(
        SCOPE,
        targets=Targets(
            target_prefix=("203.0.113.0/24", "192.0.2.0/24"), target_protocol=(17, 6, 1)
        ),
    )
    async with replaying(authority) as server:
        for scope in (mixed, replace(mixed, lifetime=7200)):
            ask = partial(Client.request, mid=1, scope=scope)
            await server.result_of(ask, NON, CHANGED, DOTS + BODY + GRANTED)

        first, refresh = (request.payload.hex() for request in server.requests)
        assert first.removesuffix("0e190e10") == refresh.removesuffix("0e191c20")


def test_mids_start_at_1_and_grow_by_1() -> None:
    mids = MidAllocator()

    assert [mids.allocate() for _ in range(4)] == [1, 2, 3, 4]


async def test_the_configuration_is_read_again_before_its_max_age_ends(
    authority: Authority,
) -> None:
    settings = replace(PATIENT, reads_configuration=True)
    async with replaying(authority, settings) as server:
        loop = asyncio.get_running_loop()
        # Max-Age 1 after the Content-Format.
        reply(await server.received(1), ACK, CONTENT, DOTS + b"\x21\x01" + BODY + CONFIG_90)
        answered_at = loop.time()
        again = await server.received(2)

        assert loop.time() - answered_at < 1
        assert (again.code, again.opt.uri_path[-1]) == (Code.GET, "config")


def _sent(wire: list[WireRecord]) -> list[WireRecord]:
    return [record for record in wire if record.direction == "sent"]
