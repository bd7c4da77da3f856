from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.session import (
    Candidate,
    HappyEyeballs,
    HappyEyeballsSettings,
    candidates,
)
from dots_client.session.happy_eyeballs import MAX_CANDIDATES, MAX_FAILURES, eager_repeat_s

V6, V4 = "2001:db8::1", "192.0.2.1"
UDP6, UDP4 = Candidate("dtls", V6), Candidate("dtls", V4)
TCP6, TCP4 = Candidate("tls", V6), Candidate("tls", V4)
ALL = (UDP6, UDP4, TCP6, TCP4)
SETTINGS = HappyEyeballsSettings(attempt_delay_s=0.25, repeat_s=3, max_concurrent=10)


def run(race: HappyEyeballs, *, until: float) -> list[tuple[float, Candidate]]:
    """Start every attempt when it is due; none ever ends."""
    begun: list[tuple[float, Candidate]] = []
    while (at := race.next_timer()) is not None and at <= until:
        while (candidate := race.due(now=at)) is not None:
            begun.append((at, candidate))
    return begun


@pytest.mark.rule("SC-108")
def test_udp_goes_before_tcp_and_ipv6_before_ipv4() -> None:
    assert candidates([V4, V6], ["tls", "dtls"]) == ALL


@pytest.mark.rule("SC-108")
def test_second_addresses_come_after_every_first_one() -> None:
    order = candidates([V4, "192.0.2.2", V6, V4], ["dtls", "tls"])

    assert order == (*ALL, Candidate("dtls", "192.0.2.2"), Candidate("tls", "192.0.2.2"))


def test_only_the_allowed_transports_race() -> None:
    assert candidates([V4], ["dtls"]) == (UDP4,)
    assert candidates([], ["dtls", "tls"]) == ()


def test_the_number_of_addresses_of_a_name_is_limited() -> None:
    many = [f"192.0.2.{number}" for number in range(100)]

    assert len(candidates(many, ["dtls", "tls"])) == MAX_CANDIDATES


@pytest.mark.rule("SC-108")
def test_attempts_are_staggered_without_waiting_for_each_other() -> None:
    begun = run(HappyEyeballs(ALL, now=100.0, settings=SETTINGS), until=102)

    assert begun == [(100.0, UDP6), (100.25, UDP4), (100.5, TCP6), (100.75, TCP4)]


@pytest.mark.rule("SC-109")
def test_an_attack_makes_them_start_closer_together() -> None:
    hurried = HappyEyeballsSettings(attempt_delay_s=0.1)

    begun = run(HappyEyeballs(ALL, now=0.0, settings=hurried), until=1)

    assert [round(at, 6) for at, _ in begun] == [0.0, 0.1, 0.2, 0.3]


@pytest.mark.rule("SC-108")
def test_a_busy_process_gives_the_answer_time_before_it_starts_the_next_candidate() -> None:
    race = HappyEyeballs(ALL, now=0.0, settings=SETTINGS)
    race.due(now=0.0)

    assert race.due(now=0.35) is None
    assert race.next_timer() == 0.6
    assert race.due(now=0.6) == UDP4
    assert race.next_timer() == 0.85


def test_a_process_that_stays_busy_starts_the_next_candidate_after_two_seconds() -> None:
    race = HappyEyeballs(ALL, now=0.0, settings=SETTINGS)
    race.due(now=0.0)

    wakes = [0.4, 0.8, 1.2, 1.6, 2.0, 2.4]
    begun = [at for at in wakes if race.due(now=at) is not None]

    assert begun == [2.0]


EAGER = HappyEyeballsSettings(attempt_delay_s=0.1, repeat_s=0.25)


def test_a_busy_process_gives_the_answer_time_before_it_repeats_a_handshake() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=EAGER)
    race.due(now=0.0)

    assert race.due(now=0.31) is None
    assert race.next_timer() == pytest.approx(0.41)
    assert race.due(now=0.42) == UDP4
    assert race.next_timer() == pytest.approx(0.67)


def test_a_timer_that_is_hardly_late_repeats_the_handshake_at_once() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=EAGER)
    race.due(now=0.0)

    assert race.due(now=0.29) == UDP4


def test_a_process_that_stays_busy_repeats_a_handshake_at_its_second_timer() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=EAGER)
    race.due(now=0.0)

    wakes = [0.4, 0.8, 1.2, 1.6, 2.0]
    begun = [at for at in wakes if race.due(now=at) is not None]

    assert begun == [0.8, 1.6]


@given(late_s=st.lists(st.floats(0, 5), min_size=1, max_size=30))
def test_however_late_the_timers_are_every_second_one_begins_an_attempt(
    late_s: list[float],
) -> None:
    patient = HappyEyeballsSettings(attempt_delay_s=60, repeat_s=3, max_concurrent=100)
    race = HappyEyeballs((UDP4,), now=0.0, settings=patient)
    race.due(now=0.0)

    now, begun = 0.0, []
    for late in late_s:
        timer = race.next_timer()
        assert timer is not None
        assert timer <= now + 3
        now = timer + late
        begun.append(race.due(now=now) is not None)

    assert all(first or second for first, second in pairwise(begun))


def test_the_retry_of_a_failed_handshake_has_no_answer_to_wait_for() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=EAGER)
    race.due(now=0.0)
    race.failed(UDP4, now=0.01)

    assert race.due(now=0.9) == UDP4


@pytest.mark.rule("SC-108")
def test_a_failure_lets_the_next_one_start_at_once() -> None:
    race = HappyEyeballs(ALL, now=0.0, settings=SETTINGS)
    race.due(now=0.0)

    race.failed(UDP6, now=0.02)

    assert race.next_timer() == 0.02
    assert race.due(now=0.02) == UDP4
    assert race.due(now=0.02) is None


def test_two_candidates_never_start_within_ten_milliseconds() -> None:
    race = HappyEyeballs(ALL, now=0.0, settings=SETTINGS)
    race.due(now=0.0)

    race.failed(UDP6, now=0.001)

    assert race.due(now=0.001) is None
    assert race.next_timer() == 0.01
    assert race.due(now=0.01) == UDP4


def test_a_dtls_handshake_that_takes_long_is_overtaken_by_a_new_one() -> None:
    begun = run(HappyEyeballs((UDP4, TCP4), now=0.0, settings=SETTINGS), until=10)

    assert begun == [(0.0, UDP4), (0.25, TCP4), (3.0, UDP4), (6.0, UDP4), (9.0, UDP4)]


def test_the_number_of_parallel_attempts_is_limited() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=HappyEyeballsSettings(max_concurrent=3))

    begun = run(race, until=1000)

    assert [at for at, _ in begun] == [0.0, 3.0, 6.0]
    assert race.next_timer() is None
    assert race.due(now=1000) is None


@pytest.mark.rule("SC-110")
def test_the_preferred_candidate_is_tried_first() -> None:
    race = HappyEyeballs(ALL, now=0.0, settings=SETTINGS, first=TCP4)

    assert [candidate for _, candidate in run(race, until=1)] == [TCP4, UDP6, UDP4, TCP6]


def fail_all(race: HappyEyeballs, *, until: float) -> list[tuple[float, Candidate]]:
    """Start every handshake when it is due; each fails at once."""
    begun: list[tuple[float, Candidate]] = []
    while (at := race.next_timer()) is not None and at <= until:
        while (candidate := race.due(now=at)) is not None:
            begun.append((at, candidate))
            race.failed(candidate, now=at)
    return begun


def test_a_failed_dtls_handshake_is_retried_and_a_failed_tcp_connection_is_not() -> None:
    race = HappyEyeballs((UDP4, TCP4), now=0.0, settings=SETTINGS)

    begun = fail_all(race, until=10)

    assert begun == [(0.0, UDP4), (0.01, TCP4), (0.25, UDP4), (0.75, UDP4), (1.75, UDP4)]
    assert race.is_lost
    assert race.next_timer() is None


def test_failures_of_handshakes_that_ran_side_by_side_are_counted_together() -> None:
    race = HappyEyeballs((UDP4,), now=0.0, settings=SETTINGS)
    started = run(race, until=3.0 * (MAX_FAILURES - 1))
    assert len(started) == MAX_FAILURES

    for _ in started:
        assert not race.is_lost
        race.failed(UDP4, now=9.0)

    assert race.is_lost
    assert race.next_timer() is None


def test_a_rival_of_a_failed_handshake_may_still_win() -> None:
    race = HappyEyeballs((TCP4, UDP4), now=0.0, settings=SETTINGS)
    race.due(now=0.0)
    race.due(now=0.25)

    race.failed(TCP4, now=0.3)

    assert not race.is_lost


@pytest.mark.parametrize(
    ("rtt_s", "repeat_s"), [(None, 1.0), (0.01, 0.25), (0.1, 0.4), (0.25, 1.0), (2.0, 1.0)]
)
def test_a_known_round_trip_lets_handshakes_overtake_each_other_sooner(
    rtt_s: float | None, repeat_s: float
) -> None:
    assert eager_repeat_s(1.0, rtt_s=rtt_s) == pytest.approx(repeat_s)
