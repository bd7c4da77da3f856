from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.scorecard.facts import (
    MeasuredMitigation,
    RefusalReason,
    SessionChange,
    SessionPhase,
)
from portal.scorecard.figures import (
    MIN_FOR_MEDIAN,
    MIN_FOR_P95,
    MIN_FOR_SHARE,
    MIN_MEASURED_S,
    Figures,
    SessionTime,
    Share,
    Times,
    session_time,
)

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
ACME, NORTHGATE = UUID(int=1), UUID(int=2)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def mitigation(**facts: Any) -> MeasuredMitigation:
    """Sent at noon."""
    known: dict[str, Any] = {
        "organization": ACME,
        "provider": NORTHGATE,
        "requested_at": NOON,
        "sent_at": NOON,
    }
    return MeasuredMitigation(**(known | facts))


def figures(*mitigations: MeasuredMitigation) -> Figures:
    return Figures.of(mitigations, SessionTime())


def test_times_count_from_the_first_copy_and_from_the_withdrawal() -> None:
    found = figures(
        mitigation(
            accepted_at=NOON + s(2),
            filtering_at=NOON + s(9),
            stop_asked_at=NOON + s(100),
            stopped_at=NOON + s(220),
            is_over=True,
        )
    )

    assert found.accept.values == (2,)
    assert found.filter.values == (9,)
    assert found.stop.values == (120,)
    assert (found.asked, found.sent, found.accepted, found.stop_unconfirmed) == (1, 1, 1, 0)


def test_an_unsent_mitigation_says_nothing_about_the_provider() -> None:
    found = figures(mitigation(sent_at=None, was_exceeded=True, attack_status=2))

    assert (found.asked, found.unsent, found.sent) == (1, 1, 0)
    assert (found.unanswered, found.exceeded, found.mitigated) == (0, 0, 0)


def test_silence_a_refusal_and_a_loop_are_counted_apart() -> None:
    conflict, unknown = RefusalReason("4.09", 1), RefusalReason("4.01")

    found = figures(
        mitigation(),
        mitigation(reasons=frozenset({conflict})),
        mitigation(reasons=frozenset({conflict, unknown}), accepted_at=NOON + s(600)),
        mitigation(has_looped=True),
        mitigation(was_put_off=True, accepted_at=NOON + s(30)),
        mitigation(was_exceeded=True, accepted_at=NOON + s(1)),
    )

    assert (found.sent, found.accepted, found.refused, found.looped) == (6, 3, 2, 1)
    assert (found.unanswered, found.put_off, found.exceeded) == (1, 1, 1)
    assert found.reasons == ((conflict, 2), (unknown, 1))


def test_an_end_that_the_provider_never_confirmed_has_no_time() -> None:
    withdrawn = {"accepted_at": NOON + s(1), "stop_asked_at": NOON + s(60)}

    found = figures(mitigation(**withdrawn, is_over=True), mitigation(**withdrawn))

    assert found.stop.count == 0
    assert found.stop_unconfirmed == 1  # the other one may still say it


def test_drills_are_apart() -> None:
    found = figures(mitigation(is_drill=True, accepted_at=NOON + s(3)), mitigation())

    assert (found.sent, found.drill_figures.sent, found.drill_figures.accepted) == (1, 1, 1)
    assert (found.accept.count, found.drill_figures.accept.values) == (0, (3,))


def test_people_say_how_it_worked() -> None:
    found = figures(*(mitigation(attack_status=said) for said in (1, 2, 2, None)))

    assert (found.under_attack, found.mitigated) == (1, 2)


@pytest.mark.parametrize(
    ("count", "has_median", "has_p95"),
    [
        (0, False, False),
        (MIN_FOR_MEDIAN - 1, False, False),
        (MIN_FOR_MEDIAN, True, False),
        (MIN_FOR_P95 - 1, True, False),
        (MIN_FOR_P95, True, True),
    ],
)
def test_too_few_values_make_no_figure(count: int, has_median: bool, has_p95: bool) -> None:
    times = Times(values=tuple(range(1, count + 1)))

    assert (times.median_s is not None, times.p95_s is not None) == (has_median, has_p95)


def test_the_95th_percentile_is_the_nearest_rank() -> None:
    assert Times(values=tuple(range(1, 101))).p95_s == 95
    assert Times(values=tuple(range(1, 21))).p95_s == 19
    assert Times(values=tuple(range(1, 22))).p95_s == 20


def test_a_share_needs_enough_to_be_a_part_of() -> None:
    assert Share(1, MIN_FOR_SHARE).percent == 100 / MIN_FOR_SHARE
    assert Share(1, MIN_FOR_SHARE - 1).percent is None


def test_availability_needs_a_day_of_measured_session() -> None:
    assert SessionTime(up_s=MIN_MEASURED_S - 1, not_measured_s=1e6).percent is None
    assert SessionTime(up_s=MIN_MEASURED_S / 2, down_s=MIN_MEASURED_S / 2).percent == 50


def test_time_without_a_session_because_of_the_portal_is_not_measured() -> None:
    changes = [
        SessionChange(NOON + s(10), SessionPhase.UP),
        SessionChange(NOON + s(40), SessionPhase.DOWN),
        SessionChange(NOON + s(45), SessionPhase.NOT_MEASURED),
        SessionChange(NOON + s(60), SessionPhase.UP),
    ]

    found = session_time(SessionPhase.DOWN, changes, NOON, NOON + s(100))

    assert found == SessionTime(up_s=70, down_s=15, not_measured_s=15)


times = st.lists(st.floats(0, 1e7), min_size=1, max_size=200).map(
    lambda values: Times(values=tuple(sorted(values)))
)


@given(times)
def test_percentiles_are_ordered_and_were_measured(found: Times) -> None:
    if found.p95_s is not None:
        assert found.p95_s in found.values
        assert found.median_s is not None
        assert found.values[0] <= found.median_s <= found.p95_s <= found.values[-1]
        assert sum(one <= found.p95_s for one in found.values) >= 0.95 * found.count


phases = st.sampled_from(SessionPhase)
changes_of = st.lists(
    st.builds(SessionChange, st.integers(-500, 1500).map(lambda at: NOON + s(at)), phases)
).map(lambda found: sorted(found, key=lambda one: one.at))


@given(phases, changes_of, st.integers(0, 1000))
def test_phases_add_up_and_a_period_is_the_sum_of_its_parts(
    before: SessionPhase, changes: Sequence[SessionChange], cut: int
) -> None:
    begins, middle, ends = NOON, NOON + s(cut), NOON + s(1000)

    whole = session_time(before, changes, begins, ends)
    first = session_time(before, changes, begins, middle)
    second = session_time(before, changes, middle, ends)

    assert whole.measured_s + whole.not_measured_s == pytest.approx(1000)
    parts = first.plus(second)
    assert (parts.up_s, parts.down_s) == pytest.approx((whole.up_s, whole.down_s))


moments = st.none() | st.integers(-10, 10_000).map(lambda at: NOON + s(at))
facts = st.builds(
    MeasuredMitigation,
    organization=st.just(ACME),
    provider=st.just(NORTHGATE),
    requested_at=st.just(NOON),
    is_drill=st.booleans(),
    sent_at=moments,
    accepted_at=moments,
    filtering_at=moments,
    stop_asked_at=moments,
    stopped_at=moments,
    is_over=st.booleans(),
    reasons=st.frozensets(
        st.builds(RefusalReason, st.sampled_from(["4.00", "4.09"]), st.none() | st.integers(0, 3))
    ),
    has_looped=st.booleans(),
    was_exceeded=st.booleans(),
    was_put_off=st.booleans(),
    attack_status=st.sampled_from([None, 1, 2]),
    lacks_events=st.booleans(),
)


@given(st.lists(facts))
def test_figures_hold_whatever_the_facts(mitigations: list[MeasuredMitigation]) -> None:
    found = figures(*mitigations)

    assert found.asked == found.sent + found.unsent
    parts = (found.accepted, found.refused, found.exceeded, found.put_off, found.looped)
    assert all(0 <= one <= found.sent for one in (*parts, found.unanswered))
    assert found.unanswered + max(found.accepted, found.refused, found.looped) <= found.sent
    assert all(one >= 0 for one in (*found.accept.values, *found.stop.values))
    assert found.stop.count + found.stop_unconfirmed <= found.accepted
    assert figures(*reversed(mitigations)) == found


@given(st.lists(facts), st.lists(facts))
def test_counts_of_two_halves_add_up(
    first: list[MeasuredMitigation], second: list[MeasuredMitigation]
) -> None:
    whole, one, other = figures(*first, *second), figures(*first), figures(*second)

    for name in ("asked", "sent", "accepted", "refused", "exceeded", "unanswered", "mitigated"):
        assert getattr(whole, name) == getattr(one, name) + getattr(other, name)
    assert whole.accept.count == one.accept.count + other.accept.count
