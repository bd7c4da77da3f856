"""Every kind of exchange recorded with go-dots (master 4e631d1), replayed byte by byte."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from aiocoap import Message

from dots_client import (
    AttackStatus,
    Client,
    ConfigurationSet,
    ConflictCause,
    Conflicted,
    MitigationReport,
    MitigationStatus,
    Parameter,
    PortRange,
    Refused,
    ServerUnavailable,
    SignalConfig,
    Targets,
    own_winner,
    to_json,
)
from dots_client.codec import decode_mitigations
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE
from tests.dots_client.interop.replay import (
    ACK,
    BAD_REQUEST,
    CHANGED,
    CONTENT,
    CREATED,
    DELETED,
    NON,
    NOT_FOUND,
    Replay,
    replaying,
    reply,
    say,
)
from tests.dots_client.transport.loopback import until
from tests.dots_client.transport.test_message_parser import option

CONFLICT, INTERNAL = 0x89, 0xA0
ETAG = bytes.fromhex("a873fae3")
TEXT, DOTS = b"", b"\x01\x0f"
"""Content-Formats 0 and 271."""

STATUS = bytes.fromhex(
    "a101a10281b6050a0f1a6b0b1c3c06816e3230332e302e3131332e302f32360781a2081901bb091901bb0a81060b800c80"
    "0d80198000801980018019800280183580182df50e1902561002181900181a00181b00181c0018cc8018cd8018cf80"
)
NULL_LIFETIME = bytes.fromhex(
    "a101a10281ab05183c0f1a6b0b1d120ef61002181900181a00181b00181c0018cc8018cd8018cf80"
)
ENDING = bytes.fromhex(
    "a101a10281b605100f1a6b0b1c4806816e3230332e302e3131332e302f323507800a800b800c800d80198000801980018019"
    "800280183580182df50e181d1005181900181a00181b00181c0018cc8018cd8018cf80"
)
WAITING = bytes.fromhex(
    "a101a10281b60518460f0006816f3230332e302e3131332e36342f323707800a800b800c800d801980008019800180198002"
    "80183580182df40e201008181900181a00181b00181c0018cc8018cd8018cf80"
)
OVERLAP = bytes.fromhex(
    "a101a10281a305030e190e1011a3130114187815a706816f3230332e302e3131332e36332f323607800a800b800c800d800506"
)
CONFIG_SET = bytes.fromhex(
    "ac1821a31824181e18230f182218f01825a318240f18230318220f1826a318240318230218220f1827a3182bc4822118c818"
    "2ac4822118641829c48221190bb81828a3182bc482211896182ac48221186e1829c482211901901832a0198008a318240a18"
    "2301182214198009a318240418230118221419800aa3182bc4822118c8182ac4822118641829c48221190bb819800ba3182b"
    "c48221190190182ac4822118641829c4822119177019800ca3182bc4822119607c182ac4822118641829c482211975301980"
    "0da3182bc4822119607c182ac4822118641829c4822119753"
    "0"
)
CONFIG = bytes.fromhex("a1181ea21820") + CONFIG_SET + b"\x18\x2c" + CONFIG_SET
TELEMETRY = bytes.fromhex(
    "a118cba418b0a718b60718b7081882c482211903e81883c482211913881884c4822119232818b3f518b4190e1018b1a618b601"
    "18b7011882c48221001883c482211903f21884c4822119139218b40118b2a1188581a21886011887f518c98901020304060809"
    "0a0b"
)


def rest(request: Message, body: bytes, label: bytes = DOTS, **also: Any) -> bytes:
    """Options and body of an answer: an ETag, the path of the request, the Content-Format."""
    values = [(4, ETAG)]
    if "observe" in also:
        values.append((6, bytes([also["observe"]]) if also["observe"] else b""))
    values += [(11, segment.encode()) for segment in request.opt.uri_path]
    values.append((12, label))
    if "max_age" in also:
        values.append((14, bytes([also["max_age"]])))
    encoded, after = b"", 0
    for number, value in values:
        encoded += option(number, value, after=after)
        after = number
    return encoded + (b"\xff" + body if body else b"")


async def result_of(
    server: Replay,
    ask: Any,
    code: int,
    body: bytes,
    label: bytes = DOTS,
    *,
    kind: int = NON,
    **also: Any,
) -> Any:
    asking = asyncio.ensure_future(ask(server.client))
    request = await server.received(len(server.requests) + 1)
    reply(request, kind, code, rest(request, body, label, **also))
    async with asyncio.timeout(5):
        return await asking


def put(mid: int = 10) -> Any:
    return partial(Client.request, mid=mid, scope=SCOPE)


def get(mid: int) -> Any:
    return partial(Client.status, mid=mid)


async def test_a_request_and_its_refresh(authority: Authority) -> None:
    async with replaying(authority) as server:
        granted = bytes.fromhex("a101a10281a2050a0e190258")
        refreshed = bytes.fromhex("a101a10281a2050a0e1904b0")

        assert await result_of(server, put(), CREATED, granted) == MitigationReport(
            mid=10, lifetime=600
        )
        assert (await result_of(server, put(), CHANGED, refreshed)).lifetime == 1200


async def test_a_status_has_keys_of_other_rfcs_and_empty_arrays(authority: Authority) -> None:
    async with replaying(authority) as server:
        report = await result_of(server, get(10), CONTENT, STATUS)

    assert report == MitigationReport(
        mid=10,
        lifetime=598,
        status=MitigationStatus.MITIGATING,
        mitigation_start=1795890236,
        bytes_dropped=0,
        pkts_dropped=0,
        bps_dropped=0,
        pps_dropped=0,
        trigger_mitigation=True,
        targets=Targets(
            target_prefix=("203.0.113.0/26",),
            target_port_range=(PortRange(lower=443, upper=443),),
            target_protocol=(6,),
        ),
    )


async def test_a_null_lifetime_is_absent_and_the_status_counts(authority: Authority) -> None:
    async with replaying(authority) as server:
        report = await result_of(server, get(60), CONTENT, NULL_LIFETIME)

    assert (report.status, report.lifetime, report.not_read) == (2, None, ())


async def test_an_efficacy_update(authority: Authority) -> None:
    async with replaying(authority) as server:
        ask = partial(Client.efficacy, mid=10, scope=SCOPE, attack_status=AttackStatus.UNDER_ATTACK)
        report = await result_of(server, ask, CHANGED, bytes.fromhex("a101a10281a2050a0e190e10"))

    assert report.lifetime == 3600


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (BAD_REQUEST, b"validation error : invalid prefix: 192.0.2.0/24", Refused),
        (BAD_REQUEST, b"Existed the mitigation with current 'cuid' (CUID2) is active", Refused),
        (INTERNAL, b"lookup www.example.com on 127.0.0.1:53: no such host", ServerUnavailable),
    ],
)
async def test_a_refusal_has_its_diagnostic(
    authority: Authority, code: int, words: bytes, error: type[Refused] | type[ServerUnavailable]
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(error) as raised:
            await result_of(server, put(), code, words, TEXT)

    assert isinstance(raised.value, Refused | ServerUnavailable)
    assert raised.value.diagnostic == words.decode()


async def test_an_overlap_names_its_winner_and_a_prefix_with_host_bits(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(Conflicted) as raised:
            await result_of(server, put(3), CONFLICT, OVERLAP)

    conflict = raised.value.conflict
    assert (conflict.status, conflict.cause, conflict.retry_timer_s) == (None, 1, 120)
    assert conflict.targets == Targets(target_prefix=("203.0.113.63/26",))
    assert own_winner(conflict) == 6


async def test_a_cuid_of_another_client(authority: Authority) -> None:
    async with replaying(authority) as server:
        body = bytes.fromhex("a101a10281a305181e0e190e1011a11303")
        with pytest.raises(Conflicted) as raised:
            await result_of(server, put(30), CONFLICT, body)

    assert raised.value.conflict.cause is ConflictCause.CUID_COLLISION


async def test_reports_after_a_deletion_are_read(authority: Authority) -> None:
    async with replaying(authority) as server:
        await result_of(server, partial(Client.withdraw, mid=16), DELETED, b"Deleted", TEXT)
        ending = await result_of(server, get(16), CONTENT, ENDING)
        words = b"Not found any mitigation with cuid: CUID, mid: 16"
        with pytest.raises(Refused) as gone:
            await result_of(server, get(16), NOT_FOUND, words, TEXT)

    assert (ending.status, ending.lifetime) == (MitigationStatus.TERMINATING, 29)
    assert (gone.value.code, gone.value.diagnostic) == ("4.04", words.decode())


async def test_a_waiting_plan_reports_a_start_of_0(authority: Authority) -> None:
    async with replaying(authority) as server:
        report = await result_of(server, get(70), CONTENT, WAITING)

    assert (report.status, report.lifetime) == (MitigationStatus.SIGNAL_LOSS, -1)
    assert (report.mitigation_start, report.trigger_mitigation) == (0, False)


async def test_the_first_answer_to_an_observation_has_no_observe_option(
    authority: Authority,
) -> None:
    async with replaying(authority) as server, server.client.observe(10) as reports:
        request = await server.received(1)
        reply(request, NON, CONTENT, rest(request, STATUS))
        first = await asyncio.wait_for(anext(reports), 5)
        changed = STATUS.replace(b"\x10\x02", b"\x10\x03")
        reply(request, NON, CONTENT, rest(request, changed, observe=1), message_id=9)
        second = await asyncio.wait_for(anext(reports), 5)

    assert (first.status, second.status) == (2, 3)


async def test_a_configuration_with_unknown_parameters_and_an_empty_probing_rate(
    authority: Authority,
) -> None:
    async with replaying(authority) as server:
        known = await result_of(server, Client.configuration, CONTENT, CONFIG, kind=ACK)

    assert (
        known.idle
        == known.mitigating
        == ConfigurationSet(
            heartbeat_interval=Parameter(current=30, minimum=15, maximum=240),
            missing_hb_allowed=Parameter(current=15, minimum=3, maximum=15),
            max_retransmit=Parameter(current=3, minimum=2, maximum=15),
            ack_timeout=Parameter(
                current=Decimal("2.00"), minimum=Decimal("1.00"), maximum=Decimal("30.00")
            ),
            ack_random_factor=Parameter(
                current=Decimal("1.50"), minimum=Decimal("1.10"), maximum=Decimal("4.00")
            ),
            probing_rate=Parameter(),
        )
    )


async def test_a_configuration_is_accepted_with_a_body_of_null_and_lasts_45_seconds(
    authority: Authority,
) -> None:
    wanted = SignalConfig(idle=ConfigurationSet(heartbeat_interval=Parameter(current=15)))
    async with replaying(authority) as server:
        ask = partial(Client.configure, config=wanted, sid=1)
        await result_of(server, ask, CREATED, b"\xf6", kind=ACK)
        await result_of(server, Client.configuration, CONTENT, CONFIG, kind=ACK, max_age=45)
        refresh_at = server.client._configuration.known.next_refresh(is_mitigating=False)

    assert refresh_at is not None
    assert 30 < refresh_at - asyncio.get_running_loop().time() < 37


async def test_the_heartbeat_has_a_token_of_eight_bytes(authority: Authority) -> None:
    heartbeat = bytes.fromhex(
        "5803573e796b486137493144bb2e77656c6c2d6b6e6f776e04646f747302686212010fffa11831a11833f5"
    )
    async with replaying(authority) as server:
        say(server.scene.session, heartbeat)
        await until(lambda: any(one.token == "796b486137493144" for one in server.scene.wire))
        answers = [
            one
            for one in server.scene.wire
            if one.direction == "sent" and one.token == "796b486137493144"
        ]

    assert [(one.kind, one.code) for one in answers] == [("NON", "2.04")]


def test_telemetry_is_shown_by_its_numbers_and_is_not_a_status() -> None:
    shown = to_json(TELEMETRY)["203"]

    assert shown["176"]["130"] == "10.00"
    assert shown["201"] == [1, 2, 3, 4, 6, 8, 9, 10, 11]
    assert decode_mitigations(TELEMETRY) == ()


@pytest.mark.parametrize("body", [b"\xf6", b"Not Found", b""])
async def test_a_404_for_an_unknown_resource_may_have_a_null_body(
    authority: Authority, body: bytes
) -> None:
    async with replaying(authority) as server:
        with pytest.raises(Refused) as raised:
            await result_of(server, get(1), NOT_FOUND, body, TEXT)

    assert (raised.value.code, raised.value.diagnostic) == ("4.04", body.decode("ascii", "ignore"))
