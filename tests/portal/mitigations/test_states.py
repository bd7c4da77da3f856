from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from portal.mitigations.services.transitions import MAX_RETRY_S
from portal.mitigations.states import (
    ACTIVE,
    ATTACK_STATUSES,
    BY_DOTS_STATUS,
    CONFIRMED,
    HEARTBEAT_INTERVAL,
    IN_STANDBY,
    KNOWN_REPORTS,
    LIVE,
    REQUEST_TERMINAL,
    SET_BACK,
    STALE_AFTER,
    STILL_TRYING_WITHIN,
    TERMINAL,
    WINDING_DOWN,
    IllegalTransition,
    MitigationState,
    RequestStatus,
    Status,
    Trigger,
    next_status,
    reported_status,
    request_status,
)

CONFIRMED_STATUSES = (
    Status.IN_PROGRESS,
    Status.MITIGATING,
    Status.ATTACK_STOPPED,
    Status.EXCEEDED,
    Status.STANDBY,
)

STEPS = """
trigger            pending         confirmed       withdrawn       refused         terminating
ACCEPTED           in_progress     same            in_progress     in_progress     same
HELD               standby         same            standby         standby         same
SETTING_UP         in_progress     in_progress     in_progress     in_progress     same
FILTERING          mitigating      mitigating      mitigating      mitigating      same
ATTACK_ENDED       attack_stopped  attack_stopped  attack_stopped  attack_stopped  same
CAPACITY_EXCEEDED  exceeded        exceeded        exceeded        exceeded        same
ARMED              standby         standby         standby         standby         same
PROVIDER_WITHDREW  withdrawn       withdrawn       withdrawn       withdrawn       same
WINDING_DOWN       terminating     terminating     terminating     same            same
ENDED              withdrawn       withdrawn       withdrawn       same            terminated
PROVIDER_REFUSED   refused         same            same            same            same
NOT_SENDABLE       refused         same            same            same            same
FORGOTTEN          pending         pending         same            same            terminated
RENEWAL_MISSED     pending         pending         same            same            terminated
WITHDRAWAL_ASKED   terminating     terminating     terminating     same            terminating
UNWANTED           terminating     terminating     terminating     terminating     -
DROPPED_UNSENT     terminated      -               -               -               -
LIFETIME_OVER      expired         expired         expired         -               expired
RETRY_DUE          -               -               pending         pending         -
"""
"""The status after each trigger; "-": the trigger cannot occur. An ended mitigation never
changes.
"""


def steps() -> dict[tuple[Status, Trigger], Status | None]:
    table: dict[tuple[Status, Trigger], Status | None] = dict.fromkeys(product(Status, Trigger))
    header, *rows = (line.split() for line in STEPS.strip().splitlines())
    for trigger, *cells in rows:
        for column, cell in zip(header[1:], cells, strict=True):
            befores = CONFIRMED_STATUSES if column == "confirmed" else (Status(column),)
            for before in befores:
                after = before if cell == "same" else None if cell == "-" else Status(cell)
                table[before, Trigger[trigger]] = after
    return table


@pytest.mark.parametrize(("step", "after"), steps().items())
def test_each_step_leads_where_the_table_says(
    step: tuple[Status, Trigger], after: Status | None
) -> None:
    if after is None:
        with pytest.raises(IllegalTransition) as refused:
            next_status(*step)
        assert refused.value.code == "illegal-transition"
        assert step[1].name in str(refused.value)
        assert step[0].value in str(refused.value)
    else:
        assert next_status(*step) is after


def test_every_trigger_is_in_the_table() -> None:
    assert {line.split()[0] for line in STEPS.strip().splitlines()[1:]} == {*Trigger.__members__}


def test_the_named_sets_of_statuses() -> None:
    assert CONFIRMED_STATUSES == CONFIRMED
    assert set(CONFIRMED) - set(ACTIVE) == {Status.STANDBY}
    assert set(Status) - set(LIVE) == set(TERMINAL) == {Status.TERMINATED, Status.EXPIRED}
    assert set(SET_BACK) == {Status.REFUSED, Status.WITHDRAWN}
    assert {*REQUEST_TERMINAL} == {
        RequestStatus.TERMINATED,
        RequestStatus.EXPIRED,
        RequestStatus.DECLINED,
    }


@pytest.mark.parametrize(
    ("number", "trigger", "shown"),
    [
        (1, Trigger.SETTING_UP, Status.IN_PROGRESS),
        (2, Trigger.FILTERING, Status.MITIGATING),
        (3, Trigger.ATTACK_ENDED, Status.ATTACK_STOPPED),
        (4, Trigger.CAPACITY_EXCEEDED, Status.EXCEEDED),
        (5, Trigger.WINDING_DOWN, Status.TERMINATING),
        # A report of the end is not a report that it acts.
        (6, Trigger.ENDED, None),
        (7, Trigger.PROVIDER_WITHDREW, Status.WITHDRAWN),
        (8, Trigger.ARMED, Status.STANDBY),
    ],
)
def test_every_number_in_a_report_has_its_status(
    number: int, trigger: Trigger, shown: Status | None
) -> None:
    assert number in KNOWN_REPORTS
    assert BY_DOTS_STATUS[number] is trigger
    assert reported_status(number) is shown


@pytest.mark.parametrize("number", [None, 0, 9, 255])
def test_other_numbers_mean_nothing(number: int | None) -> None:
    assert number not in KNOWN_REPORTS
    assert reported_status(number) is None


def test_the_statuses_with_a_name_are_those_of_their_numbers() -> None:
    assert BY_DOTS_STATUS[WINDING_DOWN] is Trigger.WINDING_DOWN
    assert BY_DOTS_STATUS[IN_STANDBY] is Trigger.ARMED


def test_how_long_a_provider_may_be_silent_and_a_retry_may_wait() -> None:
    # RFC 9132 section 4.5.2
    assert timedelta(seconds=30) == HEARTBEAT_INTERVAL
    assert timedelta(seconds=90) == STALE_AFTER
    # Each backoff of the portal is an attempt, not a wait.
    assert timedelta(minutes=15) == STILL_TRYING_WITHIN > timedelta(seconds=MAX_RETRY_S)


def test_the_numbers_of_an_attack_status_are_those_of_the_rfc() -> None:
    # RFC 9132 Table 4
    assert ATTACK_STATUSES == {"under-attack": 1, "attack-successfully-mitigated": 2}


BEST_FIRST = [
    (MitigationState(status=Status.MITIGATING), RequestStatus.MITIGATING),
    # Over capacity still filters.
    (MitigationState(status=Status.EXCEEDED), RequestStatus.MITIGATING),
    (MitigationState(status=Status.IN_PROGRESS), RequestStatus.IN_PROGRESS),
    (MitigationState(status=Status.ATTACK_STOPPED), RequestStatus.ATTACK_STOPPED),
    # A plan's provider that filtered is withdrawn, whatever the others hold.
    (MitigationState(status=Status.TERMINATING, is_held_again=True), RequestStatus.TERMINATING),
    (MitigationState(status=Status.STANDBY), RequestStatus.STANDBY),
    (MitigationState(status=Status.PENDING), RequestStatus.REQUESTING),
    (MitigationState(status=Status.TERMINATING), RequestStatus.TERMINATING),
    (MitigationState(status=Status.PENDING, is_overdue=True), RequestStatus.FAILING),
    (MitigationState(status=Status.REFUSED), RequestStatus.FAILING),
    (MitigationState(status=Status.WITHDRAWN), RequestStatus.FAILING),
    # It ends only after each withdrawal is confirmed.
    (MitigationState(status=Status.TERMINATING, is_given_up=True), RequestStatus.TERMINATING),
    (MitigationState(status=Status.EXPIRED), RequestStatus.EXPIRED),
    (MitigationState(status=Status.TERMINATED), RequestStatus.TERMINATED),
    (MitigationState(status=Status.WITHDRAWN, is_given_up=True), RequestStatus.TERMINATED),
]
"""The status of a request with one mitigation, from the best to the worst."""


@pytest.mark.parametrize("better", range(len(BEST_FIRST)))
def test_the_best_mitigation_names_the_request(better: int) -> None:
    state, shown = BEST_FIRST[better]

    for worse, _ in BEST_FIRST[better:]:
        for states in ([state, worse], [worse, state], [worse, worse, state, worse]):
            assert request_status(states, is_termination_asked=False) is shown, worse


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("other", Status)
@pytest.mark.parametrize("is_asked", [True, False])
def test_an_unwanted_request_ends_when_no_provider_holds_it(
    status: Status, other: Status, is_asked: bool
) -> None:
    states = [
        MitigationState(status=one, is_given_up=not is_asked, is_overdue=True)
        for one in (status, other)
    ]
    holds_nothing = {Status.TERMINATED, Status.EXPIRED, Status.REFUSED, Status.WITHDRAWN}

    assert request_status(states, is_termination_asked=is_asked) is (
        RequestStatus.TERMINATED if {status, other} <= holds_nothing else RequestStatus.TERMINATING
    )


@pytest.mark.rule("SC-068")
@pytest.mark.parametrize("trigger", [Trigger.SETTING_UP, Trigger.FILTERING, Trigger.ACCEPTED])
def test_a_late_report_does_not_undo_a_termination(trigger: Trigger) -> None:
    assert next_status(Status.TERMINATING, trigger) is Status.TERMINATING


@pytest.mark.parametrize("path", [(1, 2, 3, 8), (1, 4, 2, 7, 8), (7, 8), (2, 3, 1, 2, 3, 8)])
def test_a_plan_is_activated_ends_and_is_rearmed(path: tuple[int, ...]) -> None:
    reports = {
        1: Trigger.SETTING_UP,
        2: Trigger.FILTERING,
        3: Trigger.ATTACK_ENDED,
        4: Trigger.CAPACITY_EXCEEDED,
        7: Trigger.PROVIDER_WITHDREW,
        8: Trigger.ARMED,
    }
    status = next_status(Status.PENDING, Trigger.HELD)
    assert status is Status.STANDBY

    for number in path:
        status = next_status(status, reports[number])

    assert status is Status.STANDBY
