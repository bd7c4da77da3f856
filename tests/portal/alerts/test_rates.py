"""What the portal keeps of the rates that a detector reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from portal.alerts.rates import MAX_RATES, SILENCE, ReportedRate, with_report

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
Rates = tuple[ReportedRate, ...]
SPARE = 5


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def reported(*reports: tuple[float, int | None, int | None]) -> Rates:
    rates: Rates = ()
    for seconds, bps, pps in reports:
        rates = with_report(rates, at=at(seconds), bps=bps, pps=pps)
    return rates


def test_a_repeat_lengthens_what_it_repeats() -> None:
    assert reported((0, 100, 7), (20, 100, 7), (40, 100, 7)) == (
        ReportedRate(at=at(0), until=at(40), bps=100, pps=7),
    )


def test_the_same_after_a_silence_is_another_report() -> None:
    silence = SILENCE.total_seconds()

    found = reported((0, 100, None), (silence, 100, None), (2 * silence + 1, 100, None))

    assert [(one.at, one.until) for one in found] == [
        (at(0), at(silence)),
        (at(2 * silence + 1), at(2 * silence + 1)),
    ]


def test_other_numbers_are_another_report() -> None:
    assert [one.bps for one in reported((0, 100, None), (5, 300, None), (9, 200, None))] == [
        100, 300, 200,
    ]  # fmt: skip


def test_an_alert_without_a_rate_or_from_before_the_last_adds_nothing() -> None:
    assert reported((10, 100, None), (20, None, None), (5, 900, None)) == reported((10, 100, None))


def test_beyond_the_bound_neighbours_become_one_with_the_highest() -> None:
    every = [(30.0 * n, 1000 if n == 7 else n, None) for n in range(MAX_RATES * SPARE)]

    found = reported(*every)

    assert len(found) == MAX_RATES
    assert found[0].at == at(0)
    assert (found[-1].at, found[-1].bps) == (at(every[-1][0]), every[-1][1])
    assert max(one.bps or 0 for one in found) == 1000
    # Reports came all the time, so no silence is shown, and no report lasts much longer.
    assert all(later.at - one.until <= SILENCE for one, later in pairwise(found))
    longest = max(one.until - one.at for one in found)
    assert longest <= 3 * timedelta(seconds=30) * SPARE


def test_beyond_the_bound_the_oldest_of_single_reports_goes() -> None:
    found = reported(*((600.0 * n, n, None) for n in range(MAX_RATES + 2)))

    assert [one.bps for one in found] == list(range(2, MAX_RATES + 2))


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.none() | st.integers(0, 3), st.none() | st.integers(0, 3)),
        max_size=3 * MAX_RATES,
    )
)
def test_they_are_bounded_in_order_and_never_more_than_was_reported(
    steps: list[tuple[float, int | None, int | None]],
) -> None:
    now, said = 0.0, []
    rates: Rates = ()
    for wait, bps, pps in steps:
        now += wait
        said.append((at(now), bps, pps))
        rates = with_report(rates, at=at(now), bps=bps, pps=pps)

    assert len(rates) <= MAX_RATES
    assert all(one.at <= one.until for one in rates)
    assert all(one.until <= later.at for one, later in pairwise(rates))
    moments = {moment for moment, bps, pps in said if (bps, pps) != (None, None)}
    for one in rates:
        assert {one.at, one.until} <= moments
        during = [(bps, pps) for moment, bps, pps in said if one.at <= moment <= one.until]
        assert one.bps is None or one.bps in [bps for bps, _ in during]
        assert one.pps is None or one.pps in [pps for _, pps in during]
