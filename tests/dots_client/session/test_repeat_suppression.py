from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dots_client.session.repeat_suppression import EVERY_S, MAX_KINDS, RepeatSuppression


def test_the_first_of_a_kind_is_reported_and_the_others_counted() -> None:
    events = RepeatSuppression()

    logged = [events.happened("drop", now=now) for now in (0, 1, 2)]
    other = events.happened("reset", now=3)

    assert (logged, other) == ([True, False, False], True)
    assert events.next_timer() == EVERY_S
    assert events.due(now=EVERY_S - 1) == {}
    assert events.due(now=EVERY_S) == {"drop": 2}


def test_continuing_events_are_reported_once_a_minute() -> None:
    events = RepeatSuppression()
    lines = 0
    for second in range(600):
        lines += events.happened("drop", now=float(second))
        lines += len(events.due(now=float(second)))

    assert lines == 10


def test_a_kind_that_was_quiet_for_a_minute_is_reported_at_once() -> None:
    events = RepeatSuppression()
    events.happened("drop", now=0)
    events.happened("drop", now=1)

    assert events.due(now=EVERY_S) == {"drop": 1}
    assert events.due(now=2 * EVERY_S) == {}
    assert events.next_timer() is None
    assert events.happened("drop", now=2 * EVERY_S) is True


def test_the_end_reports_the_remaining_counts() -> None:
    events = RepeatSuppression()
    for _ in range(3):
        events.happened("drop", now=0)

    assert events.rest() == {"drop": 2}
    assert events.rest() == {}


def test_the_number_of_kinds_is_limited() -> None:
    events = RepeatSuppression()
    logged = [events.happened(f"kind {number}", now=0) for number in range(1000)]

    assert logged.count(True) == MAX_KINDS + 1
    assert events.rest() == {"other": 1000 - MAX_KINDS - 1}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=50))
def test_nothing_is_lost(steps: list[tuple[str, float]]) -> None:
    events = RepeatSuppression()
    now = 0.0
    logged = 0
    for kind, pause in steps:
        now += pause
        logged += sum(events.due(now=now).values())
        logged += events.happened(kind, now=now)
    logged += sum(events.rest().values())

    assert logged == len(steps)
