from __future__ import annotations

import itertools
from random import Random

import pytest

from dots_client.session import Retransmission, RetransmissionSettings


def transmissions(
    *, until: float, rtt_s: float | None, deadline_s: float | None = None, seed: int = 1
) -> list[float]:
    schedule = Retransmission(now=0.0, rng=Random(seed), deadline_s=deadline_s)
    times = []
    while (due_at := schedule.next_timer()) is not None and due_at < until:
        times.append(due_at)
        schedule.sent(now=due_at, rtt_s=rtt_s)
    assert schedule.transmissions == len(times)
    return times


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


@pytest.mark.rule("SC-020")
def test_the_first_transmission_is_due_at_once() -> None:
    assert Retransmission(now=7.0, rng=Random(1)).next_timer() == 7.0


@pytest.mark.rule("SC-017")
def test_an_unanswered_request_is_repeated_indefinitely() -> None:
    schedule = Retransmission(now=0.0, rng=Random(1))

    schedule.sent(now=90_000.0, rtt_s=None)

    assert schedule.ends_at is None
    assert schedule.next_timer() is not None


@pytest.mark.rule("SC-019")
def test_requests_are_three_seconds_apart_without_an_estimate() -> None:
    spaces = gaps(transmissions(until=120, rtt_s=None))

    assert min(spaces) >= 3.0
    assert max(spaces) <= 3.75


@pytest.mark.rule("SC-018")
@pytest.mark.parametrize("rtt_s", [0.7, 2.0, 5.0])
def test_no_more_than_one_request_per_round_trip_is_sent(rtt_s: float) -> None:
    assert min(gaps(transmissions(until=120, rtt_s=rtt_s))) >= rtt_s


def test_a_short_round_trip_does_not_cause_a_flood() -> None:
    times = transmissions(until=10, rtt_s=0.001)

    assert min(gaps(times)) >= 0.25
    assert 30 <= len(times) <= 41


def test_after_a_minute_three_seconds_are_enough() -> None:
    late = [time for time in transmissions(until=200, rtt_s=0.01) if time > 65]

    assert min(gaps(late)) >= 3.0


def test_two_clients_do_not_send_in_step() -> None:
    assert transmissions(until=20, rtt_s=None, seed=1) != transmissions(
        until=20, rtt_s=None, seed=2
    )


@pytest.mark.rule("SC-024")
def test_a_request_that_the_server_may_ignore_ends_at_its_deadline() -> None:
    schedule = Retransmission(now=100.0, rng=Random(1), deadline_s=4.0)
    schedule.sent(now=100.0, rtt_s=None)
    schedule.sent(now=103.5, rtt_s=None)

    assert schedule.next_timer() is None
    assert schedule.ends_at == 104.0
    assert max(transmissions(until=999, rtt_s=0.1, deadline_s=30.0)) < 30.0


def test_the_pace_can_be_set() -> None:
    settings = RetransmissionSettings(floor_s=0.2, jitter=0.0)
    schedule = Retransmission(now=0.0, rng=Random(1), settings=settings)

    schedule.sent(now=0.0, rtt_s=0.1)

    assert schedule.next_timer() == pytest.approx(0.2)
