from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.core.targets import Targets
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.states import CONFIRMED, IN_STANDBY, TERMINAL, Status
from portal.signaling.actions.next_action import (
    Action,
    MitigationHistory,
    NextAction,
    gives_way,
    last_call,
    lifetime_to_ask,
    next_action,
    waits_for_older,
)
from portal.signaling.sessions.live_session import is_under_attack

NOW = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
BEFORE = NOW - timedelta(seconds=60)


def mitigation(
    status: Status, *, auto_renew: bool = True, kind: str = "immediate", **columns: Any
) -> Mitigation:
    """A mitigation that was reported just now, unless the test says otherwise."""
    fresh: dict[str, object] = {"asked_at": NOW, "last_heard_at": NOW, "lifetime_s": 3600}
    request = MitigationRequest(auto_renew=auto_renew, kind=kind)
    return Mitigation(status=status, request=request, **{**fresh, **columns})


def plan(one: Mitigation, *, is_introduced: bool = True, **shown: Any) -> NextAction:
    """The next action on a session with the history `shown`."""
    return next_action(one, MitigationHistory(is_introduced=is_introduced, **shown), NOW)


def test_a_pending_mitigation_is_requested() -> None:
    assert plan(mitigation(Status.PENDING)).action is Action.REQUEST


def test_a_provider_that_named_a_time_is_not_asked_before_it() -> None:
    assert plan(mitigation(Status.PENDING, retry_at=LATER)) == NextAction(
        action=Action.WAIT, at=LATER
    )
    assert plan(mitigation(Status.PENDING, retry_at=BEFORE)).action is Action.REQUEST


@pytest.mark.rule("SC-059")
@pytest.mark.parametrize("status", CONFIRMED)
def test_a_new_session_introduces_a_request_by_a_put_and_a_plan_by_a_get(status: Status) -> None:
    assert plan(mitigation(status), is_introduced=False).action is Action.REFRESH
    for kind in ("standby", "drill"):
        one = mitigation(status, kind=kind)
        assert plan(one, is_introduced=False).action is Action.POLL


@pytest.mark.rule("SC-048")
@pytest.mark.rule("SC-071")
def test_a_refresh_is_due_before_half_of_the_granted_lifetime_is_over() -> None:
    due = mitigation(Status.MITIGATING, refreshed_at=BEFORE, expires_at=LATER)
    not_yet = mitigation(
        Status.MITIGATING, refreshed_at=NOW, expires_at=NOW + timedelta(seconds=20)
    )

    assert plan(due).action is Action.REFRESH
    assert plan(not_yet) == NextAction(action=Action.WAIT, at=NOW + timedelta(seconds=8))


def test_a_mitigation_that_does_not_renew_itself_is_not_refreshed() -> None:
    one = mitigation(Status.MITIGATING, auto_renew=False, refreshed_at=BEFORE, expires_at=LATER)

    assert plan(one).action is Action.WAIT


def test_a_clock_that_was_set_back_does_not_stop_the_polls() -> None:
    minute = timedelta(seconds=60)
    within = mitigation(Status.MITIGATING, last_heard_at=NOW + minute)
    beyond = mitigation(Status.MITIGATING, last_heard_at=NOW + minute + timedelta(microseconds=1))

    assert plan(within).action is Action.WAIT
    assert plan(beyond).action is Action.POLL


def test_an_extension_is_a_refresh_at_once() -> None:
    asked = mitigation(Status.MITIGATING, refreshed_at=BEFORE, refresh_asked_at=NOW)
    done = mitigation(Status.MITIGATING, refreshed_at=NOW, refresh_asked_at=BEFORE)

    assert plan(asked).action is Action.REFRESH
    assert plan(done).action is Action.WAIT


def test_an_efficacy_update_is_sent_once() -> None:
    asked = mitigation(Status.MITIGATING, efficacy=1, efficacy_asked_at=NOW)
    answered = mitigation(
        Status.MITIGATING, efficacy=1, efficacy_asked_at=NOW, efficacy_answered_at=NOW
    )

    assert plan(asked).action is Action.EFFICACY
    assert plan(answered).action is Action.WAIT


def test_an_efficacy_update_is_due_when_the_providers_wait_is_over() -> None:
    waiting = mitigation(
        Status.MITIGATING, efficacy=1, efficacy_asked_at=BEFORE, efficacy_retry_at=LATER
    )

    assert plan(waiting).action is Action.WAIT
    waiting.efficacy_retry_at = NOW
    assert plan(waiting).action is Action.EFFICACY


def test_a_silent_mitigation_is_polled() -> None:
    # RFC 9132 section 4.4.2.2
    silent = mitigation(Status.MITIGATING, last_heard_at=NOW - timedelta(seconds=15))
    heard = mitigation(Status.MITIGATING, last_heard_at=NOW - timedelta(seconds=14))

    assert plan(silent).action is Action.POLL
    assert plan(heard) == NextAction(action=Action.WAIT, at=NOW + timedelta(seconds=1))


def test_a_withdrawal_that_ran_in_a_loop_is_retried_when_it_is_due() -> None:
    gone = Wanted.WITHDRAWN
    looped = mitigation(Status.TERMINATING, wanted=gone, refusal_code="5.08", retry_at=LATER)
    assert plan(looped) == NextAction(action=Action.WAIT, at=LATER)
    looped.retry_at = BEFORE
    assert plan(looped).action is Action.WITHDRAW
    conflicting = mitigation(Status.TERMINATING, wanted=gone, refusal_code="4.09", retry_at=LATER)
    assert plan(conflicting).action is Action.WITHDRAW


def test_a_withdrawal_is_repeated_until_it_is_confirmed_and_then_polled_to_its_end() -> None:
    gone = Wanted.WITHDRAWN
    untold = mitigation(Status.TERMINATING, wanted=gone)
    confirmed = mitigation(Status.TERMINATING, wanted=gone, withdrawal_confirmed_at=NOW)

    assert plan(untold).action is Action.WITHDRAW
    assert plan(confirmed) == NextAction(action=Action.WAIT, at=NOW + timedelta(seconds=5))


def test_a_mitigation_that_its_provider_withdrew_is_only_polled() -> None:
    assert plan(mitigation(Status.WITHDRAWN, retry_at=BEFORE)) == NextAction(
        action=Action.WAIT, at=NOW + timedelta(seconds=15)
    )


@pytest.mark.parametrize("status", [*TERMINAL, Status.WITHDRAWN])
def test_a_mitigation_that_was_given_up_needs_no_action(status: Status) -> None:
    assert plan(mitigation(status, wanted=Wanted.WITHDRAWN)) == NextAction(action=Action.WAIT)


def test_a_refresh_without_renewal_asks_only_for_the_remaining_lifetime() -> None:
    ending = mitigation(Status.MITIGATING, auto_renew=False, expires_at=LATER)
    renewing = mitigation(Status.MITIGATING, expires_at=LATER)

    assert lifetime_to_ask(ending, NOW) == 60
    # RFC 9132 section 4.4.1.1: 0 is no lifetime.
    assert lifetime_to_ask(ending, LATER) == 1
    assert lifetime_to_ask(renewing, NOW) == 3600


def test_a_plan_is_polled_after_an_accepted_refresh() -> None:
    def reported(at: datetime | None) -> Action:
        held = mitigation(Status.STANDBY, kind="standby", refreshed_at=NOW, reported_at=at)
        return plan(held, dots_status=IN_STANDBY).action

    assert reported(None) is Action.POLL
    assert reported(BEFORE) is Action.POLL
    for at in (NOW, LATER):
        assert reported(at) is Action.WAIT
    assert plan(mitigation(Status.MITIGATING, refreshed_at=NOW)).action is Action.WAIT


@pytest.mark.parametrize(
    ("kind", "status", "is_attack"),
    [
        ("immediate", Status.PENDING, True),
        ("immediate", Status.ATTACK_STOPPED, True),
        ("immediate", Status.REFUSED, False),
        ("standby", Status.PENDING, False),
        ("standby", Status.STANDBY, False),
        ("drill", Status.PENDING, False),
        ("drill", Status.STANDBY, False),
        ("standby", Status.IN_PROGRESS, True),
        ("standby", Status.MITIGATING, True),
    ],
)
def test_a_plan_in_standby_is_not_an_attack(kind: str, status: Status, is_attack: bool) -> None:
    assert is_under_attack(mitigation(status, kind=kind)) is is_attack
    assert not is_under_attack(mitigation(status, kind=kind, wanted=Wanted.WITHDRAWN))


SENT = {"last_sent_at": NOW - timedelta(minutes=30)}
MAYBE_ACTIVATED = [
    pytest.param({}, {}, Action.REQUEST, id="never sent"),
    pytest.param(SENT, {}, Action.POLL, id="sent on a lost session"),
    pytest.param({"refreshed_at": BEFORE}, {}, Action.POLL, id="refreshed on a lost session"),
    pytest.param(SENT, {"is_introduced": True}, Action.REQUEST, id="answered on this session"),
    pytest.param(SENT, {"is_absent": True}, Action.REQUEST, id="the provider does not know it"),
    pytest.param({**SENT, "lifetime_s": 1800}, {}, Action.REQUEST, id="its lifetime is over"),
    pytest.param({**SENT, "lifetime_s": 1801}, {}, Action.POLL, id="its last second"),
    pytest.param({**SENT, "lifetime_s": -1}, {}, Action.POLL, id="it has no end"),
    pytest.param(SENT, {"waits_for_older": True}, Action.WAIT, id="an older version may run"),
]


@pytest.mark.parametrize(("columns", "shown", "action"), MAYBE_ACTIVATED)
def test_a_plan_that_a_lost_session_may_have_started_is_polled_before_it_is_sent(
    columns: dict[str, Any], shown: dict[str, bool], action: Action
) -> None:
    for kind in ("standby", "drill"):
        one = mitigation(Status.PENDING, kind=kind, **columns)
        assert plan(one, **{"is_introduced": False, **shown}).action is action


AGO_5, AGO_6 = NOW - timedelta(seconds=5), NOW - timedelta(seconds=6)
FRESHNESS = [
    pytest.param({"reported_at": AGO_5}, Action.REFRESH, id="fresh"),
    pytest.param({"reported_at": AGO_6}, Action.POLL, id="old"),
    pytest.param({"reported_at": None}, Action.POLL, id="no time"),
    pytest.param({"reported_at": AGO_6, "tells_no_status": True}, Action.POLL, id="may be polled"),
    pytest.param(
        {"reported_at": AGO_6, "tells_no_status": True, "not_before": {Action.POLL: LATER}},
        Action.REFRESH,
        id="refuses polls",
    ),
    pytest.param(
        {"reported_at": AGO_6, "tells_no_status": True, "not_before": {Action.POLL: BEFORE}},
        Action.POLL,
        id="may be polled again",
    ),
    pytest.param(
        {"reported_at": AGO_6, "not_before": {Action.POLL: LATER}}, Action.WAIT, id="silent"
    ),
]


@pytest.mark.parametrize(("shown", "action"), FRESHNESS)
def test_an_extended_plan_is_sent_only_after_a_fresh_report_that_it_is_in_standby(
    shown: dict[str, Any], action: Action
) -> None:
    one = mitigation(Status.STANDBY, kind="standby", refresh_asked_at=NOW)

    assert one.is_extended
    assert plan(one, dots_status=IN_STANDBY, **shown).action is action


@pytest.mark.parametrize(
    ("lifetime_s", "before_s"), [(3600, 60), (601, 60), (600, 60), (599, 59.9), (100, 10)]
)
def test_the_last_call_leaves_a_minute_or_a_tenth_of_a_short_lifetime(
    lifetime_s: float, before_s: float
) -> None:
    ends = NOW + timedelta(seconds=lifetime_s)
    one = mitigation(Status.MITIGATING, refreshed_at=NOW, expires_at=ends)

    assert last_call(one) == ends - timedelta(seconds=before_s)


MORE_URGENT = {
    Action.WITHDRAW: set(Action) - {Action.WITHDRAW},
    Action.REQUEST: {Action.EFFICACY, Action.POLL, Action.WAIT},
    Action.REFRESH: {Action.EFFICACY, Action.POLL, Action.WAIT},
    Action.RELEASE: {Action.EFFICACY, Action.POLL, Action.WAIT},
    Action.EFFICACY: {Action.POLL, Action.WAIT},
    Action.POLL: {Action.WAIT},
    Action.WAIT: set(),
}


@pytest.mark.parametrize("running", Action)
@pytest.mark.parametrize("due", Action)
def test_only_a_more_urgent_action_interrupts_the_one_under_way(
    running: Action, due: Action
) -> None:
    assert gives_way(running, to=due) is (running in MORE_URGENT[due])


OTHERS = [
    pytest.param({"status": Status.STANDBY}, False, True, id="it may have been started"),
    pytest.param({"status": Status.STANDBY}, True, False, id="it is known to be in standby"),
    pytest.param({"status": Status.MITIGATING}, True, True, id="it filters"),
    pytest.param({"status": Status.PENDING}, False, False, id="it was never confirmed"),
    pytest.param({"status": Status.REFUSED}, False, False, id="it was refused"),
    pytest.param({"status": Status.MITIGATING, "mid": 9}, True, False, id="it is newer"),
    pytest.param({"status": Status.MITIGATING, "kind": "immediate"}, True, False, id="no plan"),
    pytest.param(
        {"status": Status.MITIGATING, "wanted": Wanted.WITHDRAWN}, True, False, id="withdrawn"
    ),
    pytest.param(
        {"status": Status.MITIGATING, "scope": Targets.saved(prefixes=["198.51.100.0/24"])},
        True,
        False,
        id="other targets",
    ),
]


@pytest.mark.parametrize(("columns", "is_known", "waits"), OTHERS)
def test_a_new_version_of_a_plan_waits_while_an_older_one_may_filter(
    columns: dict[str, Any], is_known: bool, waits: bool
) -> None:
    scope = Targets.saved(prefixes=["203.0.113.0/24"])
    new = mitigation(Status.PENDING, kind="standby", mid=8, scope=scope)
    older = mitigation(**{"kind": "standby", "mid": 7, "scope": scope, **columns})

    assert waits_for_older(new, [new, older], is_known=lambda _: is_known) is waits
    new.status = Status.STANDBY
    assert not waits_for_older(new, [new, older], is_known=lambda _: is_known)
    immediate = mitigation(Status.PENDING, mid=8, scope=scope)
    assert not waits_for_older(immediate, [older], is_known=lambda _: is_known)
