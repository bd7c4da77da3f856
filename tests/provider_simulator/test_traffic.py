from __future__ import annotations

from random import Random

import pytest

from provider_simulator.traffic import Traffic


def flowing(*, until: int, seed: int = 1, bytes_before: int = 0) -> tuple[Traffic, list[int]]:
    traffic = Traffic(now=0.0, rng=Random(seed), bytes_before=bytes_before)
    counted = []
    for second in range(1, until + 1):
        traffic.flow(now=float(second), share=1.0)
        counted.append(traffic.bytes_dropped)
    return traffic, counted


def test_counters_grow_every_second() -> None:
    _, counted = flowing(until=120)

    assert counted == sorted(set(counted))


def test_the_attack_ramps_up_and_then_varies_around_its_peak() -> None:
    traffic, _ = flowing(until=1)
    later = [traffic.bytes_per_s(float(second)) for second in range(20, 300)]

    assert traffic.bytes_per_s(0.0) < 0.5 * min(later)
    assert max(later) > 1.05 * min(later)
    assert max(later) < 2 * min(later)


@pytest.mark.parametrize("seed", range(5))
def test_the_numbers_are_plausible(seed: int) -> None:
    traffic, _ = flowing(until=600, seed=seed)

    assert 1e9 < 8 * traffic.bps_dropped < 15e9
    assert 250 < traffic.bps_dropped / traffic.pps_dropped < 950


def test_the_rates_are_averages_of_five_minutes() -> None:
    traffic, counted = flowing(until=900)

    assert traffic.bps_dropped == pytest.approx((counted[-1] - counted[-301]) / 300, rel=0.02)


def test_counters_wrap_at_64_bits() -> None:
    _, counted = flowing(until=60, bytes_before=2**64 - 2**31)

    assert max(counted) < 2**64
    assert min(counted) < counted[0]


def test_nothing_is_dropped_without_traffic_or_time() -> None:
    traffic = Traffic(now=0.0, rng=Random(1))

    traffic.flow(now=10.0, share=0.0)
    traffic.flow(now=10.0, share=1.0)

    assert (traffic.bytes_dropped, traffic.pkts_dropped) == (0, 0)
    assert Traffic(now=0.0, rng=Random(1)).bps_dropped == 0


def test_the_same_seed_produces_the_same_attack() -> None:
    assert flowing(until=50, seed=4)[1] == flowing(until=50, seed=4)[1]
    assert flowing(until=50, seed=4)[1] != flowing(until=50, seed=5)[1]
