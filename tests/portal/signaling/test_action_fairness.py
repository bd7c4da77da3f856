"""A failing action never delays another: not a poll, a renewal or a person's request."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, pairwise
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.states import CONFIRMED, IN_STANDBY, Status
from portal.signaling.actions.next_action import (
    POLL_AFTER,
    Action,
    MitigationHistory,
    gives_way,
    last_call,
    next_action,
)
from portal.signaling.actions.session_history import MAX_FAILED_POLL_S, MAX_FAILED_S, SessionHistory

START = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
STEP_S = 0.5
ANSWERED_WITHIN_S = 1.0
GIVEN_UP_AFTER_S = 30.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Run:
    """Simulate a lifetime in steps of half a second with a provider that never answers `failing`
    usefully.

    `hangs`: it does not answer them at all, so each times out; otherwise it refuses them at once.
    """

    def __init__(self, row: Mitigation, failing: Collection[Action], *, hangs: bool) -> None:
        self._row = row
        self._failing = failing
        self._hangs = hangs
        self._seen = SessionHistory()
        self._seen.reported(row.pk, row.dots_status, time=0.0)
        self.begun: dict[Action, list[float]] = {action: [] for action in Action}

    def until(self, end_s: float) -> None:
        running: tuple[Action, float] | None = None
        for step in range(int(end_s / STEP_S)):
            time = step * STEP_S
            if running and time >= running[1]:
                self._ends(running[0], time)
                running = None
            under_way = running[0] if running else None
            session = self._seen.of(self._row.pk, now=at(time), time=time, running=under_way)
            following = next_action(self._row, session, at(time)).action
            if running and gives_way(running[0], to=following):
                running = None
            if running is None and following != Action.WAIT:
                self._seen.begun(self._row.pk, following, time=time)
                self.begun[following].append(time)
                running = following, time + self._takes_s(following)

    def _takes_s(self, action: Action) -> float:
        is_silence = action in self._failing and self._hangs
        return GIVEN_UP_AFTER_S if is_silence else ANSWERED_WITHIN_S

    def _ends(self, action: Action, time: float) -> None:
        row = self._row
        if action in self._failing:
            self._seen.failed(row.pk, action, time=time, is_answered=not self._hangs)
            return
        self._seen.succeeded(row.pk, action)
        match action:
            case Action.POLL:
                row.last_heard_at = row.reported_at = at(time)
                self._seen.reported(row.pk, row.dots_status, time=time)
            case Action.REFRESH:
                lifetime = timedelta(seconds=row.lifetime_s)
                row.last_heard_at = row.refreshed_at = at(time)
                row.expires_at = at(time) + lifetime
            case Action.EFFICACY:
                row.last_heard_at, row.efficacy_answered_at = at(time), row.efficacy_asked_at


def held(lifetime_s: int, *, kind: str = "immediate", **columns: object) -> Mitigation:
    """Granted a moment ago."""
    return Mitigation(
        pk=uuid4(),
        request=MitigationRequest(kind=kind, auto_renew=True),
        status=Status.MITIGATING if kind == "immediate" else Status.STANDBY,
        dots_status=2 if kind == "immediate" else IN_STANDBY,
        lifetime_s=lifetime_s,
        asked_at=START,
        refreshed_at=START,
        reported_at=START,
        last_heard_at=START,
        confirmed_at=START,
        expires_at=at(lifetime_s),
        **columns,
    )


KINDS = ("immediate", "standby")
FAILING = tuple(
    chain.from_iterable(
        combinations((Action.POLL, Action.REFRESH, Action.EFFICACY), count) for count in range(4)
    )
)


@pytest.mark.rule("SC-048")
@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    lifetime_s=st.integers(40, 400),
    failing=st.sampled_from(FAILING),
    hangs=st.booleans(),
    asks_efficacy=st.booleans(),
)
def test_a_failing_action_delays_no_other(
    kind: str, lifetime_s: int, failing: tuple[Action, ...], hangs: bool, asks_efficacy: bool
) -> None:
    row = held(lifetime_s, kind=kind)
    if asks_efficacy and kind == "immediate":
        row.efficacy_asked_at, row.efficacy = START, 1
    run = Run(row, failing, hangs=hangs)
    run.until(lifetime_s)

    first_renewal = run.begun[Action.REFRESH][0]
    is_plan_of_unknown_status = kind == "standby" and hangs and Action.POLL in failing
    if is_plan_of_unknown_status:
        assert first_renewal <= 0.9 * lifetime_s + STEP_S
    else:
        assert first_renewal < 0.5 * lifetime_s
    if row.efficacy_asked_at:
        assert run.begun[Action.EFFICACY][0] == 0.0
    polls = run.begun[Action.POLL]
    longest_s = POLL_AFTER.total_seconds() + MAX_FAILED_POLL_S + 2 * GIVEN_UP_AFTER_S
    assert all(later - earlier <= longest_s for earlier, later in pairwise(polls))
    if Action.REFRESH in failing and lifetime_s > 100:
        assert polls


@pytest.mark.parametrize("hangs", [False, True])
def test_failed_polls_back_off(hangs: bool) -> None:
    run = Run(held(3000), (Action.POLL,), hangs=hangs)
    run.until(1200)

    polls = run.begun[Action.POLL]
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    took_s = GIVEN_UP_AFTER_S if hangs else ANSWERED_WITHIN_S
    assert gaps[:4] == [took_s + pause for pause in (15, 30, 60, 120)]
    assert set(gaps[3:]) == {took_s + MAX_FAILED_POLL_S}


def test_a_failed_renewal_is_retried_soon_but_not_at_once() -> None:
    run = Run(held(300), (Action.REFRESH,), hangs=False)
    run.until(300)

    tries = run.begun[Action.REFRESH]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert min(gaps) >= 3.0
    assert max(gaps) <= MAX_FAILED_S + 2 * ANSWERED_WITHIN_S


def test_a_poll_with_a_status_ends_the_back_off() -> None:
    seen, one = SessionHistory(), uuid4()
    for time in range(5):
        seen.failed(one, Action.POLL, time=time, is_answered=True)
    assert seen.of(one, now=START, time=4.0).not_before[Action.POLL] == at(MAX_FAILED_POLL_S)

    seen.succeeded(one, Action.POLL)
    seen.failed(one, Action.POLL, time=200.0, is_answered=False)

    assert seen.of(one, now=START, time=200.0).not_before[Action.POLL] == at(15)


def test_an_action_waits_for_the_pause_asked_for_and_then_backs_off_as_before() -> None:
    seen, one = SessionHistory(), uuid4()
    seen.failed(one, Action.WITHDRAW, time=0.0, is_answered=True, wait_s=60)
    assert seen.of(one, now=START, time=0.0).not_before[Action.WITHDRAW] == at(60)

    seen.failed(one, Action.WITHDRAW, time=0.0, is_answered=True, wait_s=1)
    shorter = seen.of(one, now=START, time=0.0).not_before[Action.WITHDRAW]
    assert at(1) < shorter < at(60)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from((*KINDS, "drill")),
    status=st.sampled_from((Status.PENDING, *CONFIRMED)),
    dots_status=st.sampled_from((None, *range(1, 9))),
    is_introduced=st.booleans(),
    is_absent=st.booleans(),
    tells_no_status=st.booleans(),
    extended=st.booleans(),
    efficacy=st.booleans(),
    auto_renew=st.booleans(),
    lifetime_s=st.integers(20, 86400),
    age=st.floats(0, 0.999),
    heard_s=st.integers(0, 600),
    reported_s=st.integers(0, 600),
    retry_s=st.one_of(st.none(), st.integers(-100, 2**31)),
    paused=st.sets(st.sampled_from((Action.POLL, Action.REFRESH, Action.EFFICACY))),
)
def test_a_put_of_a_plan_is_sent_only_while_the_provider_reports_it_in_standby(
    kind: str,
    status: Status,
    dots_status: int | None,
    is_introduced: bool,
    is_absent: bool,
    tells_no_status: bool,
    extended: bool,
    efficacy: bool,
    auto_renew: bool,
    lifetime_s: int,
    age: float,
    heard_s: int,
    reported_s: int,
    retry_s: int | None,
    paused: set[Action],
) -> None:
    now = at(age * lifetime_s)
    row = held(lifetime_s, kind=kind)
    row.request.auto_renew, row.status = auto_renew, status
    row.last_heard_at = now - timedelta(seconds=heard_s)
    row.last_sent_at = START
    row.refresh_asked_at = now if extended else None
    row.efficacy_asked_at = now if efficacy else None
    row.retry_at = None if retry_s is None else now + timedelta(seconds=retry_s)
    session = MitigationHistory(
        is_introduced=is_introduced,
        is_absent=is_absent,
        dots_status=dots_status,
        reported_at=None if dots_status is None else now - timedelta(seconds=reported_s),
        tells_no_status=tells_no_status,
        not_before={action: now + timedelta(seconds=9) for action in paused},
    )

    following = next_action(row, session, now)

    assert following.action not in paused
    if following.action == Action.WAIT:
        assert following.at is not None
        assert following.at > now
    if kind != "immediate":
        assert following.action != Action.EFFICACY
        if following.action == Action.REFRESH:
            end = last_call(row)
            is_held = dots_status == IN_STANDBY and (tells_no_status or reported_s <= 5)
            assert is_held or (end is not None and now >= end)
        if following.action == Action.REQUEST:
            assert is_introduced or is_absent
    elif status != Status.PENDING and auto_renew and not efficacy and Action.REFRESH not in paused:
        latest = last_call(row)
        assert latest is not None
        is_put_off = row.retry_at is not None and row.retry_at > now and now < latest
        assert (following.action == Action.REFRESH) or age < 0.4 or is_put_off
    assert row.wanted == Wanted.ACTIVE
