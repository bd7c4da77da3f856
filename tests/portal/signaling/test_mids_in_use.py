"""Distinguish a refusal of the mid from a refusal of the scope without reading its text."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from dots_client import (
    Client,
    ConflictCause,
    Conflicted,
    ConflictInformation,
    MitigationReport,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
    Targets,
)
from portal.mitigations.models import Mitigation
from portal.mitigations.states import Status
from portal.signaling.actions import mids_in_use
from tests.portal.signaling.test_inventory_comparison import NOW, OTHER, report, row
from tests.portal.signaling.virtual_time import virtual_time

WORDS = "mid 4 has another scope; a new one needs a higher mid"


class Holding:
    """A session with a server that holds some mitigations; None: it gives no list."""

    def __init__(
        self,
        listed: Sequence[MitigationReport] | Exception,
        one_by_one: Sequence[MitigationReport] | Exception = (),
    ) -> None:
        self._listed = listed
        self._one_by_one = one_by_one
        self.asked: list[int | None] = []

    async def statuses(self) -> Sequence[MitigationReport]:
        self.asked.append(None)
        if isinstance(self._listed, Exception):
            raise self._listed
        return self._listed

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if isinstance(self._one_by_one, Exception):
            raise self._one_by_one
        for one in self._one_by_one:
            if one.mid == mid:
                return one
        raise Refused("4.04")


class Mute:
    """A server that answers no GET at all."""

    async def statuses(self) -> Sequence[MitigationReport]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def status(self, _mid: int) -> MitigationReport:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def nobodys(_mid: int) -> Mitigation | None:
    return None


async def understood(
    server: object, error: Refused | None = None, own: Mitigation | None = None
) -> mids_in_use.Refusal:
    refused = error or Refused("4.00", WORDS)
    return await mids_in_use.classify_refusal(cast(Client, server), own or row(), refused, nobodys)


CANNOT = [
    Refused("4.05"),
    Refused("4.01"),
    ServerUnavailable("5.00"),
    RemoteProtocolError("odd"),
    NoAnswer("no answer within 93 s"),
]


@pytest.mark.parametrize("words", ["", WORDS, "prefix not allowed", "gesperrt"])
@pytest.mark.parametrize("code", ["4.00", "4.09"])
async def test_a_mid_that_the_server_uses_for_another_scope_is_in_use(
    code: str, words: str
) -> None:
    server = Holding([report(prefixes=OTHER), report(7, OTHER)])

    refusal = await understood(server, Refused(code, words))

    assert refusal == mids_in_use.Refusal(is_of_the_mid=True, next_mid=8, is_listed=True)
    assert server.asked == [None]


@pytest.mark.parametrize("words", ["", WORDS, "prefix not allowed"])
async def test_a_refused_scope_stays_refused_whatever_its_text_says(words: str) -> None:
    refusal = await understood(Holding([report(7, OTHER)]), Refused("4.00", words))

    assert refusal.is_of_the_mid is False


async def test_a_server_that_holds_nothing_refused_the_scope() -> None:
    refusal = await understood(Holding(Refused("4.04")))

    assert refusal.is_of_the_mid is False


@pytest.mark.parametrize("refused", CANNOT, ids=str)
async def test_a_server_without_a_list_is_asked_about_the_mid(refused: Exception) -> None:
    server = Holding(refused, [report(prefixes=OTHER)])

    refusal = await understood(server)

    assert refusal == mids_in_use.Refusal(is_of_the_mid=True, next_mid=5, is_listed=False)


async def test_a_mid_missing_from_a_list_is_asked_about() -> None:
    refusal = await understood(Holding([report(2, OTHER)], [report(prefixes=OTHER)]))

    assert refusal.is_of_the_mid is True


@pytest.mark.parametrize("refused", CANNOT, ids=str)
async def test_the_reason_stays_unknown_without_an_answer(refused: Exception) -> None:
    refusal = await understood(Holding(refused, refused))

    assert refusal.is_of_the_mid is None
    assert refusal.next_mid == 5


@virtual_time
async def test_the_wait_for_a_silent_server_is_limited() -> None:
    async with asyncio.timeout(mids_in_use.CHECK_S + 1):
        refusal = await understood(Mute())

    assert refusal.is_of_the_mid is None


@pytest.mark.parametrize(
    "error",
    [
        Refused("4.01"),
        Refused("4.03"),
        Refused("4.29"),
        Conflicted(ConflictInformation(cause=ConflictCause.CUID_COLLISION)),
    ],
    ids=str,
)
async def test_a_refusal_that_cannot_be_about_the_mid_needs_no_question(error: Refused) -> None:
    server = Holding([report(prefixes=OTHER)])

    refusal = await understood(server, error)

    assert refusal.is_of_the_mid is False
    assert server.asked == []


async def test_a_mitigation_that_was_confirmed_once_keeps_its_mid() -> None:
    server = Holding([report(prefixes=OTHER)])

    refusal = await understood(server, own=row(status=Status.PENDING, confirmed_at=NOW))

    assert refusal.is_of_the_mid is False
    assert server.asked == []


def overlapping(mid: int | None) -> Conflicted:
    return Conflicted(
        ConflictInformation(
            cause=ConflictCause.OVERLAPPING_TARGETS,
            mid=mid,
            targets=Targets(target_prefix=OTHER),
            retry_timer_s=120,
        )
    )


async def test_a_conflict_with_an_unknown_higher_mid_raises_the_mid_above_it() -> None:
    refusal = await understood(Holding(Refused("4.05")), overlapping(41))

    assert refusal == mids_in_use.Refusal(is_of_the_mid=True, next_mid=42, is_listed=False)


async def test_a_conflict_with_another_client_is_about_the_scope() -> None:
    refusal = await understood(Holding(Refused("4.05"), Refused("4.05")), overlapping(None))

    assert refusal.is_of_the_mid is False


@pytest.mark.parametrize(
    ("server", "own", "is_different"),
    [
        (Holding([], [report(prefixes=OTHER)]), row(), True),
        (Holding([], [report()]), row(), False),
        (Holding([], []), row(), False),
        (Holding([], Refused("4.05")), row(), False),
        (Holding([], NoAnswer("no answer")), row(), False),
        (Holding([], [report(prefixes=OTHER)]), row(confirmed_at=NOW), False),
    ],
    ids=["another", "ours", "nothing", "not told", "no answer", "confirmed"],
)
async def test_ending_a_mitigation_does_not_touch_another_under_its_mid(
    server: Holding, own: Mitigation, *, is_different: bool
) -> None:
    assert await mids_in_use.is_of_another(cast(Client, server), own) is is_different
