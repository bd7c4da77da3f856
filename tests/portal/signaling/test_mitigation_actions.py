"""What becomes of answers that a provider never gave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from dots_client import (
    Client,
    Conflicted,
    ConflictInformation,
    DotsError,
    HopLimitReached,
    MitigationReport,
    MitigationStatus,
    Redirected,
    RedirectedSignal,
    Refused,
    RemoteProtocolError,
    Scope,
    ServerUnavailable,
    Targets,
)
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling import database_clock as signaling_clock
from portal.signaling import mitigation_actions as actions_module
from portal.signaling import status_reports
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.lease_fence import LeaseFence, boottime
from portal.signaling.mitigation_actions import MitigationActions
from portal.signaling.next_action import Action
from portal.signaling.status_reports import MAX_POLLS_AT_ONCE
from tests.dots_client.transport.loopback import until

pytestmark = pytest.mark.sqlite


class Written(MitigationActions):
    """An exchange that keeps what it would write."""

    def __init__(self) -> None:
        super().__init__(
            subscription_id=uuid4(),
            owner="me",
            threads=cast(DatabaseThreads, None),
            fence=LeaseFence(asked_at=boottime()),
            on_cuid_replaced=lambda: None,
        )
        self.writes: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
        self.writes.append((call, kwargs))


class InCircle:
    """A session with a gateway that sends everything round."""

    async def withdraw(self, _mid: int) -> None:
        raise HopLimitReached(("edge-1", "core-2", "edge-1"))


@pytest.mark.rule("SC-107")
async def test_an_end_that_went_round_is_written_down_with_the_gateways() -> None:
    actions = Written()
    row = Mitigation(pk=uuid4(), mid=7, confirmed_at=signaling_clock.now())

    await actions.perform(cast(Client, InCircle()), row, Action.WITHDRAW)

    [(call, told)] = actions.writes
    assert call is services.record_end_in_loop
    assert (told["mitigation_id"], told["gateways"]) == (row.pk, "edge-1, core-2")


class Answering:
    """A provider that grants, refuses, or knows of a clash."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def check_request(self, _mid: int, _scope: Scope) -> None:
        """It can be sent."""

    async def request(self, mid: int, _scope: Scope, **_options: object) -> MitigationReport:
        if self._error:
            raise self._error
        return MitigationReport(mid=mid, lifetime=600)


@pytest.mark.parametrize(
    "error", [None, Refused("4.00"), Conflicted(ConflictInformation(retry_timer_s=9))]
)
async def test_what_came_of_a_request_says_which_extension_it_knew_of(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(actions_module, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(actions_module, "lifetime_to_ask", lambda *_args: 3600)
    actions = Written()
    extended = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
    row = Mitigation(pk=uuid4(), mid=7, status="mitigating", refresh_asked_at=extended)

    await actions.perform(cast(Client, Answering(error)), row, Action.REFRESH)

    [(_, told)] = actions.writes
    assert told["extended_at"] == extended


@pytest.mark.parametrize("status", ["pending", "mitigating"])
@pytest.mark.parametrize(
    ("asked_s", "waits_s"), [(2, 2), (60, 60), (0, 1), (2**32 - 1, 300)], ids=str
)
async def test_a_provider_that_limits_requests_asks_to_wait_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, status: str, asked_s: int, waits_s: int
) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(actions_module, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(actions_module, "lifetime_to_ask", lambda *_args: 3600)
    actions, row = Written(), Mitigation(pk=uuid4(), mid=7, status=status)
    busy = Refused("4.29", "slow down", retry_after_s=asked_s)

    is_held = await actions.perform(cast(Client, Answering(busy)), row, Action.REFRESH)

    [(call, told)] = actions.writes
    assert call is services.record_unavailable
    assert (told["code"], told["reason"]) == ("4.29", "slow down")
    assert told["retry_at"] - told["now"] == timedelta(seconds=waits_s)
    assert is_held == (status == "mitigating")


@pytest.mark.parametrize("may_leave", [True, False])
async def test_a_mitigation_that_is_still_held_gets_a_lifetime_of_a_second(
    monkeypatch: pytest.MonkeyPatch, may_leave: bool
) -> None:
    asked: list[tuple[int, Scope]] = []

    class Counted(Written):
        async def write(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            assert not asked, "it is counted before it leaves"
            await super().write(call, *args, **kwargs)
            return may_leave

    class Keeping:
        def check_request(self, *_what: object) -> None:
            pass

        async def request(self, mid: int, scope: Scope, **_options: object) -> MitigationReport:
            asked.append((mid, scope))
            return MitigationReport(mid=mid, lifetime=1)

    scopes = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)), trigger_mitigation=False)
    monkeypatch.setattr(
        actions_module, "scope_of", lambda _row, lifetime_s: replace(scopes, lifetime=lifetime_s)
    )
    actions, row = Counted(), Mitigation(pk=uuid4(), mid=7)

    await actions.perform(cast(Client, Keeping()), row, Action.LET_GO)

    assert actions.writes[0][0] is services.record_let_go
    assert asked == ([(7, replace(scopes, lifetime=1))] if may_leave else [])


REDIRECT = RedirectedSignal(alt_server="alt.example")


@pytest.mark.rule("SC-064")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (MitigationReport(mid=7), (True, "", "", None)),
        (None, (False, "", "", None)),
        (ServerUnavailable("5.03", "busy", retry_after_s=60), (False, "5.03", "busy", 60)),
        (ServerUnavailable("5.00", retry_after_s=10**9), (False, "5.00", "", 300)),
        (ServerUnavailable("5.03", retry_after_s=0), (False, "5.03", "", 1)),
        (Redirected(REDIRECT, ttl_s=3600), (False, "5.03", "", 5)),
        (Refused("4.29", "slow down", retry_after_s=7), (False, "4.29", "slow down", 7)),
        (Refused("4.00", "what?"), (False, "4.00", "what?", None)),
        (
            Conflicted(ConflictInformation(retry_timer_s=9)),
            (False, "4.09", "", 9),
        ),
        (RemoteProtocolError("code 6.00"), (False, "", "", None)),
    ],
    ids=repr,
)
async def test_the_answer_to_an_efficacy_update_is_saved_in_full(
    monkeypatch: pytest.MonkeyPatch,
    answer: MitigationReport | DotsError | None,
    told: tuple[bool, str, str, int | None],
) -> None:
    class Hearing:
        async def efficacy(self, *_what: object) -> MitigationReport | None:
            if isinstance(answer, DotsError):
                raise answer
            return answer

    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(actions_module, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(actions_module, "lifetime_to_ask", lambda *_args: 3600)
    asked_at = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
    row = Mitigation(pk=uuid4(), mid=7, efficacy=1, efficacy_asked_at=asked_at)
    actions = Written()

    await actions.perform(cast(Client, Hearing()), row, Action.EFFICACY)

    [(call, kept)] = actions.writes
    assert call is services.record_efficacy_answered
    assert kept["asked_at"] == asked_at
    names = ("is_accepted", "code", "reason", "retry_after_s")
    assert tuple(kept[name] for name in names) == told


class Listing:
    """A session with a provider that lists `listed`, holds `held` as well, and knows nothing else."""

    def __init__(
        self,
        *,
        listed: tuple[int, ...] | None,
        held: tuple[int, ...] = (),
        refused_with: str = "4.04",
    ) -> None:
        self._listed = listed
        self._held = held
        self._refused_with = refused_with
        self.asked: list[int | None] = []

    async def statuses(self) -> tuple[MitigationReport, ...]:
        self.asked.append(None)
        if self._listed is None:
            raise Refused("4.05", "one at a time, please")
        return tuple(MitigationReport(mid=mid) for mid in self._listed)

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if mid not in self._held:
            raise Refused(self._refused_with, "")
        return MitigationReport(mid=mid)


@pytest.mark.rule("SC-053")
@pytest.mark.parametrize(
    ("listed", "told"),
    [((1, 2, 3), {1, 2}), ((1,), {1}), (None, set())],
    ids=["all", "one is missing", "lists nothing"],
)
async def test_several_mitigations_share_one_poll(
    listed: tuple[int, ...] | None, told: set[int]
) -> None:
    actions, provider = Written(), Listing(listed=listed)
    held = {mid: Mitigation(pk=uuid4(), mid=mid) for mid in (1, 2)}

    found = await actions.poll_all(cast(Client, provider), list(held.values()))

    assert provider.asked == [None]
    assert found.told.keys() == {held[mid].pk for mid in told}
    assert not found.absent
    reported = [kwargs["mitigation_id"] for _, kwargs in actions.writes]
    assert reported == [held[mid].pk for mid in sorted(told)]


class Hanging:
    """A provider that is slow to list."""

    async def statuses(self) -> tuple[MitigationReport, ...]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_a_missing_list_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_reports, "LIST_TIMEOUT_S", 0.01)
    rows = [Mitigation(pk=uuid4(), mid=mid) for mid in (1, 2)]

    assert not (await Written().poll_all(cast(Client, Hanging()), rows)).told


async def test_the_number_of_single_polls_at_once_is_limited() -> None:
    asked, may_answer = 0, asyncio.Event()

    class Slow:
        async def status(self, mid: int) -> MitigationReport:
            nonlocal asked
            asked += 1
            await may_answer.wait()
            return MitigationReport(mid=mid)

    actions = Written()
    rows = [Mitigation(pk=uuid4(), mid=mid) for mid in range(MAX_POLLS_AT_ONCE + 5)]
    polls = [asyncio.create_task(actions.poll(cast(Client, Slow()), row)) for row in rows]
    await until(lambda: asked == MAX_POLLS_AT_ONCE)
    await asyncio.sleep(0)
    assert asked == MAX_POLLS_AT_ONCE

    may_answer.set()

    assert [list(polled.told) for polled in await asyncio.gather(*polls)] == [
        [row.pk] for row in rows
    ]


async def test_an_unknown_mitigation_is_recorded_as_forgotten() -> None:
    actions, row = Written(), Mitigation(pk=uuid4(), mid=1)

    found = await actions.poll(cast(Client, Listing(listed=None)), row)

    assert not found.told
    assert found.absent == {row.pk}
    assert len(actions.writes) == 1


async def test_an_answer_without_a_status_is_not_recorded_as_forgotten() -> None:
    actions, row = Written(), Mitigation(pk=uuid4(), mid=1)

    with pytest.raises(Refused):
        await actions.poll(cast(Client, Listing(listed=None, refused_with="4.03")), row)

    assert actions.writes == []


async def test_what_only_repeats_the_rows_is_written_in_one() -> None:
    actions, now = Written(), signaling_clock.now()
    rows = [
        Mitigation(
            pk=uuid4(), mid=mid, status="in_progress", confirmed_at=now, last_heard_at=now,
            dots_status=1, expires_at=now + timedelta(seconds=600),
        )
        for mid in (1, 2, 3)
    ]  # fmt: skip
    reports = [
        MitigationReport(mid=mid, status=MitigationStatus(status), lifetime=600)
        for mid, status in ((1, 1), (2, 1), (3, 2))
    ]

    class Repeating:
        async def statuses(self) -> list[MitigationReport]:
            return reports

    found = await actions.poll_all(cast(Client, Repeating()), rows)

    assert found.has_news
    writes = dict(actions.writes)
    assert writes[services.record_repeated]["mitigation_ids"] == {rows[0].pk, rows[1].pk}
    assert writes[services.record_report]["mitigation_id"] == rows[2].pk
    reports.pop()
    assert not (await actions.poll_all(cast(Client, Repeating()), rows[:2])).has_news


async def test_what_was_heard_and_is_not_written_yet_is_known() -> None:
    row = Mitigation(pk=uuid4(), mid=1)
    seen: list[bool] = []

    class Looking(Written):
        async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
            seen.append(self.has_unwritten(row.pk))

    actions = Looking()
    await actions.reported(row, MitigationReport(mid=1))

    assert seen == [True]
    assert not actions.has_unwritten(row.pk)
