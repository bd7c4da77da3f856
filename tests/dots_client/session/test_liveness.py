from __future__ import annotations

import pytest

from dots_client.session import Liveness, LivenessParameters, SessionParameters

EVERY_30_S = LivenessParameters(heartbeat_interval_s=30, missing_hb_allowed=3)


def run_unanswered(liveness: Liveness, *, until: float) -> float | None:
    """Send every heartbeat when it is due, without an answer.

    Returns when the session is lost, or None.
    """
    while (due_at := liveness.next_timer()) is not None and due_at <= until:
        if liveness.is_lost(now=due_at):
            return due_at
        liveness.sent(now=due_at)
    return None


@pytest.mark.rule("SC-086")
def test_the_first_heartbeat_is_due_at_once_and_the_next_after_an_interval() -> None:
    liveness = Liveness(now=10.0, parameters=EVERY_30_S)

    assert liveness.is_due(now=10.0)
    liveness.sent(now=10.0)

    assert liveness.next_timer() == 40.0
    assert not liveness.is_due(now=39.9)
    assert liveness.is_due(now=40.0)


@pytest.mark.rule("SC-090")
def test_the_session_is_lost_in_peacetime_after_the_allowed_missing_heartbeats() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)

    assert run_unanswered(liveness, until=1000) == 90.0


@pytest.mark.rule("SC-090")
def test_with_the_defaults_a_loss_is_found_after_450_seconds() -> None:
    defaults = LivenessParameters(heartbeat_interval_s=30, missing_hb_allowed=15)
    liveness = Liveness(now=0.0, parameters=defaults)

    assert run_unanswered(liveness, until=1000) == 450.0


def test_an_answer_starts_the_count_again() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    assert run_unanswered(liveness, until=60.0) is None

    liveness.answered(now=61.0)

    assert liveness.unanswered == 0
    assert run_unanswered(liveness, until=1000) == 180.0


def test_traffic_other_than_answers_does_not_prove_that_ours_arrives() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    assert run_unanswered(liveness, until=60.0) is None

    liveness.peer_heartbeat_received(now=61.0)

    assert run_unanswered(liveness, until=1000) == 90.0


@pytest.mark.rule("SC-092")
@pytest.mark.rule("SC-093")
def test_a_mitigating_session_is_never_lost_and_heartbeats_continue() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.set_mitigating(is_mitigating=True, now=0.0)

    assert run_unanswered(liveness, until=10_000) is None
    assert liveness.is_mitigating
    assert liveness.unanswered == 334


def test_after_an_attack_counting_starts_again_with_a_heartbeat_at_once() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.set_mitigating(is_mitigating=True, now=0.0)
    run_unanswered(liveness, until=1000)

    liveness.set_mitigating(is_mitigating=False, now=1001.0)

    assert liveness.next_timer() == 1001.0
    assert run_unanswered(liveness, until=2000) == 1091.0


def test_repeating_the_peacetime_state_does_not_reset_the_count() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.sent(now=0.0)

    liveness.set_mitigating(is_mitigating=False, now=1.0)

    assert liveness.unanswered == 1


@pytest.mark.rule("SC-088")
def test_peer_hb_status_says_whether_heartbeats_arrived_within_two_intervals() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.peer_heartbeat_received(now=5.0)

    assert liveness.peer_hb_status(now=65.0) is True
    assert liveness.peer_hb_status(now=65.1) is False


@pytest.mark.rule("SC-086")
def test_an_interval_of_zero_turns_heartbeats_off() -> None:
    off = LivenessParameters(heartbeat_interval_s=0, missing_hb_allowed=3)
    liveness = Liveness(now=0.0, parameters=off)

    assert liveness.next_timer() is None
    assert not liveness.is_due(now=1e9)
    assert not liveness.is_lost(now=1e9)
    assert liveness.peer_hb_status(now=1e9) is True


def test_a_shorter_interval_takes_effect_at_once() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.sent(now=0.0)

    liveness.configure(LivenessParameters(heartbeat_interval_s=15, missing_hb_allowed=3), now=10.0)

    assert liveness.next_timer() == 25.0


@pytest.mark.rule("SC-097")
def test_over_tcp_one_heartbeat_without_an_answer_within_the_interval_is_enough() -> None:
    liveness = Liveness(
        now=0.0, parameters=LivenessParameters.of(SessionParameters(), is_reliable=True)
    )

    assert run_unanswered(liveness, until=1000) == 30.0


@pytest.mark.rule("SS-077")
def test_a_peer_that_sees_no_heartbeats_gets_the_next_at_once() -> None:
    liveness = Liveness(now=0.0, parameters=EVERY_30_S)
    liveness.sent(now=0.0)

    liveness.hurry(now=7.0)

    assert liveness.next_timer() == 7.0
