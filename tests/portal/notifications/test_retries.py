"""Pauses between tries, quiet hours and digests, as functions of times."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.notifications.retries import (
    JITTER,
    MAX_RETRY_AFTER_S,
    MAX_TRIES,
    PAUSES_S,
    PER_WINDOW,
    WINDOW,
    held_until,
    pause_s,
    quiet_until,
)

PRAGUE = ZoneInfo("Europe/Prague")
NIGHT = (time(22), time(7))


def test_the_pauses_grow_and_end() -> None:
    assert [pause_s(tries, chance=0.5) for tries in range(1, MAX_TRIES + 1)] == [*PAUSES_S, None]


@given(
    tries=st.integers(1, MAX_TRIES - 1),
    chance=st.floats(0, 1),
    wish=st.none() | st.floats(-1e9, 1e9),
)
def test_a_pause_is_near_its_own_and_honours_a_bounded_wish(
    tries: int, chance: float, wish: float | None
) -> None:
    found = pause_s(tries, chance=chance, retry_after_s=wish)

    own = PAUSES_S[tries - 1]
    assert found is not None
    assert own * (1 - JITTER) <= found <= max(own * (1 + JITTER), MAX_RETRY_AFTER_S)
    if wish is not None:
        assert found >= min(wish, MAX_RETRY_AFTER_S)


@pytest.mark.parametrize(
    ("now", "quiet", "until"),
    [
        ("2026-11-30T20:59:59", NIGHT, None),
        ("2026-11-30T21:00:00", NIGHT, "2026-12-01T06:00:00"),
        ("2026-12-01T03:00:00", NIGHT, "2026-12-01T06:00:00"),
        ("2026-12-01T06:00:00", NIGHT, None),
        ("2026-11-30T12:00:00", (time(12), time(14)), "2026-11-30T13:00:00"),
        ("2026-11-30T10:59:00", (time(12), time(14)), None),
        # The clock goes forward in this night: 7 o'clock is an hour earlier in UTC.
        ("2026-03-28T23:00:00", NIGHT, "2026-03-29T05:00:00"),
        ("2026-11-30T12:00:00", None, None),
    ],
)
def test_quiet_hours_are_in_the_zone_of_the_person(
    now: str, quiet: tuple[time, time] | None, until: str | None
) -> None:
    expected = None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC)
    assert quiet_until(datetime.fromisoformat(now).replace(tzinfo=UTC), quiet, PRAGUE) == expected


first, last = datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-01-01")
moments = st.datetimes(first, last, timezones=st.just(UTC))
hours = st.times().map(lambda one: one.replace(microsecond=0))


@given(now=moments, begins=hours, ends=hours)
def test_quiet_hours_end_within_a_day(now: datetime, begins: time, ends: time) -> None:
    until = quiet_until(now, (begins, ends), PRAGUE)

    # The day on which the clock goes back has 25 hours.
    assert until is None or now <= until <= now + timedelta(hours=25)


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_the_sixth_message_within_ten_minutes_waits_for_a_digest() -> None:
    recent = [NOW - timedelta(minutes=one) for one in range(PER_WINDOW)]

    fifth = held_until(NOW, quiet=None, zone=PRAGUE, recent=recent[1:], waiting_until=None)
    sixth = held_until(NOW, quiet=None, zone=PRAGUE, recent=recent, waiting_until=None)

    assert fifth is None
    assert sixth == recent[-1] + WINDOW


def test_old_messages_do_not_count() -> None:
    recent = [NOW - WINDOW] * 100
    assert held_until(NOW, quiet=None, zone=PRAGUE, recent=recent, waiting_until=None) is None


def test_a_notice_joins_those_that_wait() -> None:
    due = NOW + timedelta(minutes=3)
    assert held_until(NOW, quiet=None, zone=PRAGUE, recent=[], waiting_until=due) == due
