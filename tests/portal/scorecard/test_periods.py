from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.errors import Invalid
from portal.scorecard.periods import FIRST_YEAR, MAX_MONTHS, Month, period_of

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)

months = st.builds(Month, st.integers(FIRST_YEAR, 2200), st.integers(1, 12))
zones = st.sampled_from(["UTC", "Europe/Prague", "Pacific/Kiritimati", "America/Los_Angeles"])


def test_a_period_is_the_current_month_of_the_reader_unless_another_is_chosen() -> None:
    assert str(period_of("", "", now=NOW, zone=UTC_ZONE)) == "2026-11"
    assert str(period_of("", "", now=NOW, zone=ZoneInfo("Europe/Prague"))) == "2026-12"
    assert str(period_of("2026-08", "", now=NOW, zone=UTC_ZONE)) == "2026-08"
    assert str(period_of("", "2026-08", now=NOW, zone=UTC_ZONE)) == "2026-08"
    assert str(period_of("2026-08", "2026-10", now=NOW, zone=UTC_ZONE)) == "2026-08 to 2026-10"


def test_a_month_begins_at_midnight_of_the_reader() -> None:
    period = period_of("2026-07", "2026-07", now=NOW, zone=ZoneInfo("Europe/Prague"))

    assert period.begins == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert period.ends == datetime(2026, 7, 31, 22, tzinfo=UTC)


REFUSED = [
    ("2026-13", "", "from", "not-a-month"),
    ("", "November", "to", "not-a-month"),
    ("1999-12", "", "from", "not-a-month"),
    ("0000-01", "", "from", "not-a-month"),
    ("2026-1", "", "from", "not-a-month"),
    ("2026-12", "", "from", "in-the-future"),
    ("", "9999-12", "to", "in-the-future"),
    ("2026-11", "2026-10", "from", "reversed"),
    ("2025-11", "2026-11", "to", "too-long"),
]


@pytest.mark.parametrize(("first", "last", "field", "code"), REFUSED)
def test_a_wrong_month_is_refused_at_its_field(
    first: str, last: str, field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        period_of(first, last, now=NOW, zone=UTC_ZONE)

    (error,) = {(one.field, one.code) for one in refused.value.errors}
    assert error[1] == code
    assert error[0] in (field, "from")


def test_the_longest_period_is_allowed() -> None:
    assert len(period_of("2025-12", "2026-11", now=NOW, zone=UTC_ZONE).months) == MAX_MONTHS


@given(months, st.integers(-500, 500), zones)
def test_months_follow_each_other_without_a_gap(month: Month, count: int, name: str) -> None:
    zone = ZoneInfo(name)

    assert month.plus(count).plus(-count) == month
    assert month.plus(1).begins(zone) > month.begins(zone)
    assert Month.of(month.begins(zone), zone) == month
    assert Month.of(month.plus(1).begins(zone) - timedelta(microseconds=1), zone) == month
