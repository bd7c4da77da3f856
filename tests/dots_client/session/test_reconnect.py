from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest

from dots_client.session import Reconnect


def attempts(reconnect: Reconnect, *, count: int, is_under_attack: bool) -> list[float]:
    now, times = 0.0, []
    for _ in range(count):
        now = reconnect.next_attempt_at(now=now, is_under_attack=is_under_attack)
        times.append(now)
        reconnect.attempted(now=now)
    return times


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def test_the_first_attempt_is_due_at_once() -> None:
    assert Reconnect(rng=Random(1)).next_attempt_at(now=12.0, is_under_attack=False) == 12.0


@pytest.mark.rule("SC-091")
def test_attempts_in_peacetime_are_a_minute_apart_and_soon_five() -> None:
    spaces = gaps(attempts(Reconnect(rng=Random(1)), count=30, is_under_attack=False))

    assert min(spaces) >= 60.0
    assert min(spaces[3:]) >= 300.0
    assert max(spaces) <= 330.0


@pytest.mark.rule("SC-094")
def test_the_delay_doubles_from_one_second_to_fifteen_under_attack() -> None:
    spaces = gaps(attempts(Reconnect(rng=Random(1)), count=30, is_under_attack=True))

    assert 1.0 <= spaces[0] <= 1.1
    assert 2.0 <= spaces[1] <= 2.2
    assert all(15.0 <= space <= 16.5 for space in spaces[4:])


class Chance(Random):
    """Random numbers that are all the same."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.mark.parametrize(("chance", "longer"), [(0.0, 1.0), (0.5, 1.05), (1.0, 1.1)])
@pytest.mark.parametrize(
    ("is_under_attack", "delays"),
    [(False, [60, 120, 240, 300, 300]), (True, [1, 2, 4, 8, 15, 15])],
)
def test_each_delay_is_up_to_a_tenth_longer_by_chance(
    chance: float, longer: float, is_under_attack: bool, delays: list[float]
) -> None:
    reconnect = Reconnect(rng=Chance(chance))

    spaces = gaps(attempts(reconnect, count=len(delays) + 1, is_under_attack=is_under_attack))

    assert spaces == pytest.approx([delay * longer for delay in delays])


@pytest.mark.parametrize(
    ("chance", "is_under_attack", "delay_s"),
    [(0.0, False, 2.0), (0.5, False, 5.0), (1.0, False, 8.0), (0.0, True, 0.0), (1.0, True, 1.5)],
)
def test_after_a_session_the_first_attempt_is_due_soon_by_chance(
    chance: float, is_under_attack: bool, delay_s: float
) -> None:
    reconnect = Reconnect(rng=Chance(chance))
    reconnect.attempted(now=100.0)
    reconnect.succeeded(now=100.0)

    due_at = reconnect.next_attempt_at(now=200.0, is_under_attack=is_under_attack)

    assert due_at == pytest.approx(200.0 + delay_s)


def test_an_attack_shortens_the_current_wait() -> None:
    reconnect = Reconnect(rng=Random(1))
    reconnect.attempted(now=100.0)

    assert reconnect.next_attempt_at(now=110.0, is_under_attack=False) >= 160.0
    assert reconnect.next_attempt_at(now=110.0, is_under_attack=True) <= 101.1


def test_a_session_in_between_makes_the_next_attempt_due_soon() -> None:
    reconnect = Reconnect(rng=Random(1))
    reconnect.attempted(now=0.0)
    reconnect.attempted(now=60.0)

    reconnect.succeeded(now=50.0)

    due_at = reconnect.next_attempt_at(now=61.0, is_under_attack=False)
    assert 63.0 <= due_at <= 69.0
    assert reconnect.next_attempt_at(now=62.0, is_under_attack=False) == due_at
    assert 61.0 <= reconnect.next_attempt_at(now=62.0, is_under_attack=True) <= 62.5


def test_the_delay_counts_from_the_end_of_each_lost_session() -> None:
    reconnect = Reconnect(rng=Random(1))
    for lost_at in (100.0, 1000.0):
        reconnect.attempted(now=lost_at - 50)
        reconnect.succeeded(now=lost_at - 50)

        due_at = reconnect.next_attempt_at(now=lost_at, is_under_attack=False)

        assert lost_at + 2 <= due_at <= lost_at + 8


def lost_after(reconnect: Reconnect, *lasted_s: float, is_under_attack: bool) -> list[float]:
    """The wait after each of several sessions in a row that lasted so long."""
    now, waits = 0.0, []
    for lasted in lasted_s:
        reconnect.attempted(now=now)
        reconnect.succeeded(now=now)
        now += lasted
        reconnect.succeeded(now=now)
        due_at = reconnect.next_attempt_at(now=now, is_under_attack=is_under_attack)
        waits.append(due_at - now)
        now = due_at
    return waits


def test_sessions_that_break_immediately_are_retried_with_growing_delays() -> None:
    in_peace = lost_after(Reconnect(rng=Random(1)), *[0.1] * 6, is_under_attack=False)
    assert 2 <= in_peace[0] <= 8
    assert 60 <= in_peace[1] <= 66
    assert 120 <= in_peace[2] <= 132
    assert 300 <= in_peace[5] <= 330

    attacked = lost_after(Reconnect(rng=Random(1)), *[0.1] * 8, is_under_attack=True)
    assert attacked[0] <= 1.5
    assert 1 <= attacked[1] <= 1.1
    assert 2 <= attacked[2] <= 2.2
    assert 15 <= attacked[7] <= 16.5


def test_a_session_that_lasts_resets_the_count_of_failures() -> None:
    waits = lost_after(
        Reconnect(rng=Random(1)), 0.1, 0.1, 0.1, 10.0, 0.1, 0.1, is_under_attack=False
    )

    assert [wait < 10 for wait in waits] == [True, False, False, True, True, False]


@pytest.mark.parametrize(("is_under_attack", "within_s"), [(False, 8.0), (True, 1.5)])
def test_a_thousand_clients_of_one_server_do_not_reconnect_in_one_second(
    is_under_attack: bool, within_s: float
) -> None:
    seconds: Counter[int] = Counter()
    for seed in range(1000):
        reconnect = Reconnect(rng=Random(seed))
        reconnect.attempted(now=0.0)
        reconnect.succeeded(now=0.0)
        due_at = reconnect.next_attempt_at(now=100.0, is_under_attack=is_under_attack)
        assert 100.0 <= due_at <= 100.0 + within_s
        seconds[int(due_at)] += 1

    assert max(seconds.values()) < (750 if is_under_attack else 220)


def test_two_clients_do_not_reconnect_in_step() -> None:
    first = attempts(Reconnect(rng=Random(1)), count=5, is_under_attack=True)
    second = attempts(Reconnect(rng=Random(2)), count=5, is_under_attack=True)

    assert first != second
