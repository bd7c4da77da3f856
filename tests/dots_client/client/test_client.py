from __future__ import annotations

import asyncio
from dataclasses import replace

import aiocoap
import pytest
from aiocoap import Code

from dots_client import (
    AttackStatus,
    ConflictCause,
    Conflicted,
    ConflictInformation,
    HopLimitReached,
    LocalProtocolError,
    MitigationReport,
    MitigationStatus,
    Redirected,
    RedirectedSignal,
    Refused,
    ServerUnavailable,
    Targets,
)
from dots_client.codec import encode_redirect, encode_reports
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import (
    CUID,
    REPEATING,
    SCOPE,
    SETTINGS,
    answer,
    in_session,
    silence,
)
from tests.dots_client.transport.loopback import until


@pytest.mark.rule("SC-010")
@pytest.mark.rule("SC-031")
@pytest.mark.rule("SC-016")
@pytest.mark.rule("SC-036")
async def test_a_request_is_granted(authority: Authority) -> None:
    async with in_session(authority) as scene:
        report = await scene.client.request(1, SCOPE)

        (request,) = scene.provider.asked(Code.PUT)
        assert (report.mid, report.lifetime) == (1, 3600)
        assert request.mtype is aiocoap.NON
        assert request.opt.uri_path == (
            ".well-known",
            "dots",
            "mitigate",
            f"cuid={CUID}",
            "mid=1",
        )
        assert request.opt.content_format == 271


@pytest.mark.rule("SC-047")
async def test_a_refresh_is_a_success_too(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        report = await scene.client.request(1, replace(SCOPE, lifetime=7200))

        assert report.mid == 1


@pytest.mark.rule("SC-017")
@pytest.mark.rule("SC-022")
@pytest.mark.rule("SC-023")
async def test_a_request_without_an_answer_is_repeated_with_new_ids(authority: Authority) -> None:
    async with in_session(authority, REPEATING) as scene:
        scene.provider.script.extend([silence, silence])
        sent: list[int] = []

        await scene.client.request(1, SCOPE, on_sent=sent.append)

        requests = scene.provider.asked(Code.PUT)
        assert sent == [1, 2, 3]
        assert len({request.mid for request in requests}) == 3
        assert len({request.token for request in requests}) == 3
        assert len({request.payload for request in requests}) == 1


async def test_the_answer_to_an_earlier_repeat_counts(authority: Authority) -> None:
    async with in_session(authority, REPEATING) as scene:
        first = asyncio.Event()

        def late(request: aiocoap.Message) -> None:
            first.set()

        scene.provider.script.extend([late, silence, silence, silence, silence, silence])
        asking = asyncio.create_task(scene.client.request(1, SCOPE))
        await first.wait()
        await until(lambda: len(scene.provider.requests) >= 2)
        early = scene.provider.requests[0]
        response = aiocoap.Message(
            code=Code.CREATED, payload=encode_reports([MitigationReport(mid=1, lifetime=99)])
        )
        response.remote = early.remote
        response.token = early.token
        response.mtype = aiocoap.NON
        response.mid = early.mid
        early.remote.send_message(response)

        report = await asking

        assert report.lifetime == 99


async def test_lost_datagrams_only_delay_a_request(authority: Authority) -> None:
    async with in_session(authority, REPEATING) as scene:
        await scene.client.heartbeat()
        incoming, outgoing = iter(range(99)), iter(range(99))
        scene.server.drop_incoming = lambda _datagram, _address: next(incoming) < 2
        scene.server.drop_outgoing = lambda _datagram, _address: next(outgoing) < 1

        report = await scene.client.request(1, SCOPE)

        assert report.mid == 1
        assert len(scene.provider.asked(Code.PUT)) == 2


async def test_a_request_can_be_cancelled(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.extend([silence] * 9)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await scene.client.request(1, SCOPE)

        scene.provider.script.clear()
        assert (await scene.client.request(1, SCOPE)).mid == 1


@pytest.mark.parametrize(
    ("code", "payload", "diagnostic"),
    [
        (Code.BAD_REQUEST, b"key 60 is unknown", "key 60 is unknown"),
        (Code.UNAUTHORIZED, b"", ""),
        (Code.NOT_FOUND, b"\xff\xfe", ""),
    ],
)
async def test_a_refusal_carries_its_diagnostic(
    authority: Authority, code: Code, payload: bytes, diagnostic: str
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(code, payload))

        with pytest.raises(Refused) as refused:
            await scene.client.request(1, SCOPE)

        assert (refused.value.code, refused.value.diagnostic) == (code.dotted, diagnostic)


@pytest.mark.rule("SC-107")
@pytest.mark.parametrize(
    ("payload", "gateways", "words"),
    [
        (b"gateway-1 gw2.example", ("gateway-1", "gw2.example"), "through gateway-1, gw2.example"),
        (b"", (), "through gateways that do not give their names"),
        (b"a-gateway " * 40, ("a-gateway",) * 29, "through a-gateway"),
        (b"a " * 1000, ("a",) * 32, "through a, a"),
    ],
)
async def test_a_loop_of_gateways_is_a_refusal_that_names_them(
    authority: Authority, payload: bytes, gateways: tuple[str, ...], words: str
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(Code.HOP_LIMIT_REACHED, payload))

        with pytest.raises(HopLimitReached, match=words) as reached:
            await scene.client.request(1, SCOPE)

        assert reached.value.gateways == gateways
        assert isinstance(reached.value, Refused)
        assert len(scene.provider.asked(Code.PUT)) == 1, "the same again would loop again"


async def test_a_conflict_carries_its_cause(authority: Authority) -> None:
    conflict = ConflictInformation(cause=ConflictCause.CUID_COLLISION)
    async with in_session(authority) as scene:
        scene.provider.script.append(
            answer(
                Code.CONFLICT,
                encode_reports([MitigationReport(conflict=conflict)]),
                content_format=271,
            )
        )

        with pytest.raises(Conflicted) as conflicted:
            await scene.client.request(1, SCOPE)

        assert conflicted.value.conflict == conflict


@pytest.mark.rule("SC-064")
async def test_a_server_at_capacity_says_when_to_retry(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(Code.SERVICE_UNAVAILABLE, b"full", max_age=17))

        with pytest.raises(ServerUnavailable) as unavailable:
            await scene.client.request(1, SCOPE)

        assert not isinstance(unavailable.value, Redirected)
        assert (unavailable.value.diagnostic, unavailable.value.retry_after_s) == ("full", 17)


@pytest.mark.parametrize(
    ("code", "options", "retry_after_s"),
    [
        (Code.TOO_MANY_REQUESTS, {"max_age": 7}, 7),
        (Code.TOO_MANY_REQUESTS, {}, 60),
        (Code.FORBIDDEN, {"max_age": 7}, None),
    ],
)
async def test_a_server_that_limits_requests_says_when_to_retry(
    authority: Authority, code: Code, options: dict[str, int], retry_after_s: int | None
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(code, b"slow down", **options))

        with pytest.raises(Refused) as refused:
            await scene.client.request(1, SCOPE)

        assert refused.value.retry_after_s == retry_after_s


@pytest.mark.parametrize("content_format", [271, 0, None])
async def test_a_redirection_names_the_other_server(
    authority: Authority, content_format: int | None
) -> None:
    redirect = RedirectedSignal(alt_server="alt.example", alt_server_record=("192.0.2.7",))
    async with in_session(authority) as scene:
        scene.provider.script.append(
            answer(
                Code.SERVICE_UNAVAILABLE,
                encode_redirect(redirect),
                content_format=content_format,
                max_age=3600,
            )
        )

        with pytest.raises(Redirected) as redirected:
            await scene.client.request(1, SCOPE)

        assert (redirected.value.redirect, redirected.value.retry_after_s) == (redirect, 3600)


@pytest.mark.parametrize("body", [b"", b"\xf6", b"nonsense"])
async def test_a_success_with_an_unreadable_body_is_a_success(
    authority: Authority, body: bytes
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(Code.CREATED, body))

        report = await scene.client.request(1, SCOPE)

        assert report == MitigationReport(mid=1)


@pytest.mark.rule("SC-127")
@pytest.mark.rule("SC-130")
async def test_thirty_two_targets_fit_one_datagram_and_a_larger_request_is_refused(
    authority: Authority,
) -> None:
    def scope_of(count: int) -> Targets:
        return Targets(target_prefix=tuple(f"2001:db8:{n:x}::/48" for n in range(1, count + 1)))

    async with in_session(authority) as scene:
        await scene.client.request(1, replace(SCOPE, targets=scope_of(32)))

        with pytest.raises(LocalProtocolError, match=r"has \d+ bytes and one datagram holds 1215"):
            await scene.client.request(2, replace(SCOPE, targets=scope_of(120)))

        assert len(scene.provider.requests) == 1


@pytest.mark.rule("SC-061")
@pytest.mark.rule("SC-063")
async def test_an_efficacy_update_has_an_empty_if_match(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.request(1, SCOPE)

        report = await scene.client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK)

        assert report is not None
        assert scene.provider.requests[-1].opt.if_match == (b"",)


@pytest.mark.rule("SC-024")
async def test_an_efficacy_update_to_a_silent_server_times_out(authority: Authority) -> None:
    async with in_session(authority, REPEATING) as scene:
        scene.provider.script.extend([silence] * 20)

        report = await scene.client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK, deadline_s=0.12)

        assert report is None
        assert 2 <= len(scene.provider.requests) <= 3


@pytest.mark.rule("SC-066")
@pytest.mark.rule("SC-067")
@pytest.mark.parametrize("code", [Code.DELETED, Code.NOT_FOUND])
async def test_a_withdrawal_is_acknowledged(authority: Authority, code: Code) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(code, b"Deleted"))

        await scene.client.withdraw(1)

        (request,) = scene.provider.asked(Code.DELETE)
        assert request.payload == b""


async def test_a_withdrawal_may_be_refused(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(answer(Code.BAD_REQUEST))

        with pytest.raises(Refused, match=r"4\.00"):
            await scene.client.withdraw(1)


async def test_status_of_one_and_of_all(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.held = {
            mid: MitigationReport(mid=mid, lifetime=60, status=MitigationStatus.MITIGATING)
            for mid in (1, 2)
        }

        assert (await scene.client.status(2)).mid == 2
        assert [report.mid for report in await scene.client.statuses()] == [1, 2]
        with pytest.raises(Refused, match=r"4\.04 no such mitigation"):
            await scene.client.status(3)


async def test_a_long_list_arrives_in_blocks(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.held = {
            mid: MitigationReport(
                mid=mid,
                lifetime=60,
                status=MitigationStatus.MITIGATING,
                targets=Targets(target_prefix=tuple(f"192.0.{mid}.{n}/32" for n in range(20))),
            )
            for mid in range(1, 20)
        }

        reports = await scene.client.statuses()

        assert [report.mid for report in reports] == list(range(1, 20))
        assert len(scene.provider.requests) == 1, "the later blocks come from the same rendering"


@pytest.mark.rule("SC-129")
@pytest.mark.parametrize("size", [256, 1024])
async def test_the_blocks_have_the_requested_size(size: int, authority: Authority) -> None:
    async with in_session(authority, replace(SETTINGS, block_bytes=size)) as scene:
        scene.provider.held = {
            mid: MitigationReport(
                mid=mid,
                targets=Targets(target_prefix=tuple(f"192.0.{mid}.{n}/32" for n in range(20))),
            )
            for mid in range(1, 9)
        }

        reports = await scene.client.statuses()

        assert [report.mid for report in reports] == list(range(1, 9))
        (first,) = scene.provider.requests
        assert (first.opt.block2.block_number, first.opt.block2.size) == (0, size)
        answers = [one for one in scene.wire if one.code == "2.05"]
        assert max(len(one.payload) for one in answers) == size
        assert len(answers) > 1
