from __future__ import annotations

import pytest
from aiocoap import Code

from dots_client import (
    ConflictCause,
    Conflicted,
    ConflictInformation,
    LocalProtocolError,
    MidAllocator,
    MitigationReport,
    request_with_any_cuid,
    roll_over,
)
from dots_client.client.identifiers import MAX_CUIDS
from dots_client.codec import encode_reports
from dots_client.session.mids import ROLL_OVER_AT
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, Answer, answer, in_session


def conflicting(cause: ConflictCause) -> Answer:
    report = MitigationReport(conflict=ConflictInformation(cause=cause))
    return answer(Code.CONFLICT, encode_reports([report]), content_format=271)


COLLISION = conflicting(ConflictCause.CUID_COLLISION)


def cuids(paths: list[tuple[str, ...]]) -> list[str]:
    return [path[3].removeprefix("cuid=") for path in paths]


@pytest.mark.rule("SC-030")
async def test_after_a_collision_the_request_is_sent_under_a_new_cuid_which_is_reported(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(COLLISION)
        new_cuids: list[str] = []

        report = await request_with_any_cuid(scene.client, 1, SCOPE, on_new_cuid=new_cuids.append)

        assert report.lifetime == 3600
        used = cuids([request.opt.uri_path for request in scene.provider.requests])
        assert used == [CUID, *new_cuids]
        assert scene.client.cuid == new_cuids[0] != CUID
        assert len(new_cuids[0]) == 22


@pytest.mark.rule("SC-027")
@pytest.mark.rule("SC-028")
async def test_nothing_but_a_collision_changes_the_cuid(authority: Authority) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(conflicting(ConflictCause.OVERLAPPING_TARGETS))

        with pytest.raises(Conflicted):
            await request_with_any_cuid(scene.client, 1, SCOPE, on_new_cuid=pytest.fail)

        assert scene.client.cuid == CUID


@pytest.mark.rule("SC-028")
async def test_a_plain_request_keeps_the_cuid_because_mitigations_may_use_it(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(COLLISION)

        with pytest.raises(Conflicted):
            await scene.client.request(2, SCOPE)

        assert scene.client.cuid == CUID


async def test_a_server_that_refuses_every_cuid_is_not_retried_forever(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.extend([COLLISION] * 10)
        new_cuids: list[str] = []

        with pytest.raises(Conflicted):
            await request_with_any_cuid(scene.client, 1, SCOPE, on_new_cuid=new_cuids.append)

        assert len(scene.provider.requests) == MAX_CUIDS == len(new_cuids) + 1


@pytest.mark.rule("SC-034")
async def test_a_roll_over_renumbers_preconfigured_requests_from_0(
    authority: Authority,
) -> None:
    async with in_session(authority) as scene:
        for mid in (8, ROLL_OVER_AT):
            await scene.client.request(mid, SCOPE)
        renumbered: list[tuple[int, int]] = []

        await roll_over(
            scene.client,
            MidAllocator(ROLL_OVER_AT + 1),
            {8: SCOPE, ROLL_OVER_AT: SCOPE},
            is_under_attack=False,
            on_renumbered=lambda old, new: renumbered.append((old, new)),
        )

        assert renumbered == [(8, 0), (ROLL_OVER_AT, 1)]
        assert sorted(scene.provider.held) == [0, 1]


@pytest.mark.rule("SC-034")
async def test_there_is_no_roll_over_under_attack(authority: Authority) -> None:
    async with in_session(authority) as scene:
        with pytest.raises(LocalProtocolError, match="while an attack is active"):
            await roll_over(
                scene.client,
                MidAllocator(ROLL_OVER_AT + 1),
                {8: SCOPE},
                is_under_attack=True,
                on_renumbered=lambda _old, _new: pytest.fail("nothing may change"),
            )

        assert scene.provider.requests == []
