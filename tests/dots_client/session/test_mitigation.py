from __future__ import annotations

import itertools

import pytest

from dots_client.errors import LocalProtocolError
from dots_client.model import MitigationStatus
from dots_client.session.mitigation import (
    TERMINAL,
    TRANSITIONS,
    TRIGGER_OF_STATUS,
    State,
    Trigger,
    next_state,
)


def life(*triggers: Trigger) -> State:
    state = State.DRAFT
    for trigger in triggers:
        state = next_state(state, trigger)
    return state


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_every_pair_is_in_the_table_or_refused(state: State, trigger: Trigger) -> None:
    if (state, trigger) in TRANSITIONS:
        assert next_state(state, trigger) is TRANSITIONS[state, trigger]
    else:
        with pytest.raises(LocalProtocolError, match=trigger.name):
            next_state(state, trigger)


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached = {State.DRAFT}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}

    assert reached == set(State)


def test_these_states_are_the_end() -> None:
    assert {State.TERMINATED, State.REJECTED, State.REPLACED, State.EXPIRED} == TERMINAL


def test_every_status_has_its_trigger() -> None:
    assert set(TRIGGER_OF_STATUS) == set(MitigationStatus)


@pytest.mark.rule("SC-047")
@pytest.mark.rule("SC-068")
def test_a_mitigation_lives_from_request_to_termination() -> None:
    requested = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED, Trigger.STATUS_IN_PROGRESS)
    stopped = (*requested, Trigger.STATUS_MITIGATING, Trigger.STATUS_ATTACK_STOPPED)
    withdrawn = (*stopped, Trigger.CLIENT_WITHDREW, Trigger.SERVER_DELETED)

    assert life(*requested) is State.STARTING
    assert life(*stopped) is State.STOPPED
    assert life(*withdrawn, Trigger.STATUS_TERMINATING) is State.TERMINATING
    assert life(*withdrawn, Trigger.STATUS_TERMINATED) is State.TERMINATED


def test_a_status_that_comes_before_the_lost_answer_counts_as_acceptance() -> None:
    assert life(Trigger.CLIENT_CONFIRMED, Trigger.STATUS_MITIGATING) is State.MITIGATING


def test_an_overloaded_mitigation_may_recover() -> None:
    exceeded = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED, Trigger.STATUS_EXCEEDED)

    assert life(*exceeded) is State.EXCEEDED
    assert life(*exceeded, Trigger.STATUS_MITIGATING) is State.MITIGATING


@pytest.mark.rule("SC-046")
def test_a_postponed_request_is_sent_again_only_when_the_wait_is_over() -> None:
    postponed = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_POSTPONED)

    assert life(*postponed) is State.WAITING
    assert life(*postponed, Trigger.WAIT_OVER) is State.REQUESTED


def test_late_news_does_not_bring_a_withdrawn_mitigation_back() -> None:
    withdrawing = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED, Trigger.CLIENT_WITHDREW)

    assert life(*withdrawing, Trigger.STATUS_MITIGATING) is State.WITHDRAWING
    assert (
        life(*withdrawing, Trigger.SERVER_DELETED, Trigger.STATUS_MITIGATING) is State.TERMINATING
    )


@pytest.mark.rule("SC-067")
def test_a_server_that_does_not_know_the_mid_ends_the_withdrawal() -> None:
    withdrawing = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED, Trigger.CLIENT_WITHDREW)

    assert life(*withdrawing, Trigger.SERVER_FORGOT) is State.TERMINATED


def test_what_the_server_forgot_while_it_was_wanted_is_asked_again() -> None:
    accepted = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED)

    assert life(*accepted, Trigger.SERVER_FORGOT) is State.REQUESTED


@pytest.mark.rule("SC-045")
def test_a_higher_mid_replaces_the_mitigation() -> None:
    accepted = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED)

    assert life(*accepted, Trigger.HIGHER_MID_ACCEPTED) is State.REPLACED


ARMED = (Trigger.CLIENT_CONFIRMED, Trigger.SERVER_ACCEPTED, Trigger.STATUS_SIGNAL_LOSS)


def test_what_is_armed_starts_with_the_loss_of_the_session_and_is_armed_again() -> None:
    started = (*ARMED, Trigger.SESSION_LOST)
    stopped = (*started, Trigger.STATUS_MITIGATING, Trigger.STATUS_ATTACK_STOPPED)

    assert life(*ARMED) is State.ARMED
    assert life(*started) is State.STARTING
    assert life(*stopped) is State.STOPPED
    assert life(*stopped, Trigger.STATUS_SIGNAL_LOSS) is State.ARMED


def test_what_an_immediate_request_put_aside_is_armed_again() -> None:
    aside = (*ARMED, Trigger.SESSION_LOST, Trigger.STATUS_MITIGATING, Trigger.STATUS_WITHDRAWN)

    assert life(*aside) is State.WITHDRAWN_BY_SERVER
    assert life(*aside, Trigger.STATUS_SIGNAL_LOSS) is State.ARMED


def test_the_loss_of_the_session_does_not_end_an_immediate_mitigation_here() -> None:
    mitigating = (Trigger.CLIENT_CONFIRMED, Trigger.STATUS_MITIGATING)

    assert life(*mitigating, Trigger.SESSION_LOST) is State.MITIGATING
    assert life(*mitigating, Trigger.SESSION_LOST, Trigger.STATUS_WITHDRAWN) is (
        State.WITHDRAWN_BY_SERVER
    )


@pytest.mark.rule("SC-071")
def test_a_refresh_leaves_an_armed_mitigation_armed() -> None:
    assert life(*ARMED, Trigger.SERVER_ACCEPTED) is State.ARMED
