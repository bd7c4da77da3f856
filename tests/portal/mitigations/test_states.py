from __future__ import annotations

from itertools import product

import pytest

from portal.mitigations.states import (
    CONFIRMED,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    MitigationState,
    RequestStatus,
    Status,
    Trigger,
    next_status,
    request_status,
)


def derived(*statuses: Status, asked: bool = False, overdue: bool = False) -> RequestStatus:
    mitigations = [MitigationState(status=status, is_overdue=overdue) for status in statuses]
    return request_status(mitigations, is_termination_asked=asked)


@pytest.mark.parametrize(("status", "trigger"), list(product(Status, Trigger)))
def test_every_step_is_in_the_table_or_refused(status: Status, trigger: Trigger) -> None:
    if (status, trigger) in TRANSITIONS:
        assert next_status(status, trigger) is TRANSITIONS[status, trigger]
    else:
        with pytest.raises(IllegalTransition):
            next_status(status, trigger)


def test_only_the_named_statuses_are_terminal() -> None:
    sources = {status for status, _ in TRANSITIONS}

    assert set(Status) - sources == set(TERMINAL)


def test_every_status_can_be_reached_from_pending() -> None:
    reached = {Status.PENDING}
    for _ in Status:
        reached |= {target for (source, _), target in TRANSITIONS.items() if source in reached}

    assert reached == set(Status)


@pytest.mark.rule("SC-068")
@pytest.mark.parametrize("trigger", [Trigger.SETTING_UP, Trigger.FILTERING, Trigger.ACCEPTED])
def test_a_late_report_does_not_undo_a_termination(trigger: Trigger) -> None:
    assert next_status(Status.TERMINATING, trigger) is Status.TERMINATING


def test_a_request_whose_lifetime_ran_out_is_not_terminated() -> None:
    assert next_status(Status.TERMINATING, Trigger.LIFETIME_OVER) is Status.EXPIRED


@pytest.mark.parametrize("status", CONFIRMED)
def test_a_mitigation_the_provider_forgot_is_pending_again(status: Status) -> None:
    assert next_status(status, Trigger.FORGOTTEN) is Status.PENDING


def test_the_best_confirmed_mitigation_sets_the_request_status() -> None:
    assert derived(Status.REFUSED, Status.MITIGATING) is RequestStatus.MITIGATING
    assert derived(Status.PENDING, Status.IN_PROGRESS) is RequestStatus.IN_PROGRESS
    assert derived(Status.ATTACK_STOPPED, Status.MITIGATING) is RequestStatus.MITIGATING
    assert derived(Status.ATTACK_STOPPED, Status.REFUSED) is RequestStatus.ATTACK_STOPPED


def test_a_plan_that_one_provider_holds_is_in_standby_until_it_is_activated() -> None:
    assert derived(Status.STANDBY, Status.PENDING) is RequestStatus.STANDBY
    assert derived(Status.STANDBY, Status.REFUSED) is RequestStatus.STANDBY
    assert derived(Status.STANDBY, Status.IN_PROGRESS) is RequestStatus.IN_PROGRESS
    assert derived(Status.STANDBY, Status.ATTACK_STOPPED) is RequestStatus.ATTACK_STOPPED


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


def test_over_capacity_still_filters() -> None:
    assert derived(Status.EXCEEDED) is RequestStatus.MITIGATING


def test_a_request_fails_only_when_every_mitigation_does() -> None:
    assert derived(Status.REFUSED, Status.PENDING) is RequestStatus.REQUESTING
    assert derived(Status.REFUSED, Status.PENDING, overdue=True) is RequestStatus.FAILING
    assert derived(Status.WITHDRAWN, Status.REFUSED) is RequestStatus.FAILING


def test_a_request_is_terminated_when_its_last_mitigation_is() -> None:
    assert derived(Status.TERMINATED, Status.TERMINATING, asked=True) is RequestStatus.TERMINATING
    assert derived(Status.TERMINATED, Status.REFUSED, asked=True) is RequestStatus.TERMINATED


def test_a_request_past_its_lifetime_is_expired() -> None:
    assert derived(Status.EXPIRED) is RequestStatus.EXPIRED
    assert derived(Status.TERMINATED) is RequestStatus.TERMINATED


def test_a_request_ends_only_after_each_withdrawal_is_confirmed() -> None:
    withdrawn = MitigationState(status=Status.TERMINATING, is_given_up=True)
    ran_out = MitigationState(status=Status.EXPIRED)
    helps = MitigationState(status=Status.MITIGATING)

    assert request_status([withdrawn, ran_out], is_termination_asked=False) is (
        RequestStatus.TERMINATING
    )
    assert request_status([withdrawn, helps], is_termination_asked=False) is (
        RequestStatus.MITIGATING
    )


def test_a_mitigation_that_a_newer_request_replaced_does_not_keep_its_request_failing() -> None:
    mitigation = MitigationState(status=Status.WITHDRAWN, is_given_up=True)

    assert request_status([mitigation], is_termination_asked=False) is RequestStatus.TERMINATED
