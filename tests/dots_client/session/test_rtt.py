from __future__ import annotations

import pytest

from dots_client.session import RttEstimator


def test_there_is_no_estimate_before_the_first_sample() -> None:
    estimator = RttEstimator()

    assert estimator.rtt_s is None
    assert estimator.timeout_s is None


def test_the_first_sample_is_the_estimate_and_half_of_it_the_variation() -> None:
    estimator = RttEstimator()

    estimator.add(0.1)

    assert estimator.rtt_s == pytest.approx(0.1)
    assert estimator.timeout_s == pytest.approx(0.3)


def test_later_samples_move_the_estimate_by_an_eighth() -> None:
    estimator = RttEstimator()
    estimator.add(0.1)

    estimator.add(0.9)

    assert estimator.rtt_s == pytest.approx(0.2)
    assert estimator.timeout_s == pytest.approx(0.2 + 4 * (0.75 * 0.05 + 0.25 * 0.8))


@pytest.mark.parametrize("sample", [0.0, 60.0])
def test_a_sample_of_up_to_a_minute_counts(sample: float) -> None:
    estimator = RttEstimator()

    estimator.add(sample)

    assert estimator.rtt_s == sample


@pytest.mark.parametrize("sample", [-0.1, 60.1])
def test_an_impossible_sample_is_left_out(sample: float) -> None:
    estimator = RttEstimator()

    estimator.add(sample)

    assert estimator.rtt_s is None
