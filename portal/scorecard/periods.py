"""The calendar months of a scorecard, in the time zone of its reader. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from portal.core.errors import Invalid

MAX_MONTHS: Final = 12
"""In one period."""
FIRST_YEAR: Final = 2000
MONTHS_PER_YEAR: Final = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, 1 to 12 of a year."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @classmethod
    def of(cls, at: datetime, zone: ZoneInfo) -> Month:
        """The month of a time, as people in the zone see it."""
        local = at.astimezone(zone)
        return cls(local.year, local.month)

    def plus(self, count: int) -> Month:
        """The month `count` months later; earlier, if it is negative."""
        years, index = divmod(self.number - 1 + count, MONTHS_PER_YEAR)
        return Month(self.year + years, index + 1)

    def begins(self, zone: ZoneInfo) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=zone)


@dataclass(frozen=True, slots=True)
class Period:
    """From the first instant of one month to the last of another, in one time zone."""

    first: Month
    last: Month
    zone: ZoneInfo

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def months(self) -> tuple[Month, ...]:
        return tuple(self.first.plus(index) for index in range(_count(self.first, self.last)))

    @property
    def begins(self) -> datetime:
        return self.first.begins(self.zone)

    @property
    def ends(self) -> datetime:
        """The first instant after it."""
        return self.last.plus(1).begins(self.zone)


def period_of(first: str, last: str, *, now: datetime, zone: ZoneInfo) -> Period:
    """The period from the months `first` and `last`, written 2026-11. Empty: the other one; both
    empty: the current month.

    Raises Invalid, at `from` and `to`, for text that is no month, a month that has not begun, a
    reversed period, and one of more than MAX_MONTHS.
    """
    current = Month.of(now, zone)
    default = str(current)
    begins = _read("from", first or last or default, current)
    ends = _read("to", last or first or default, current)
    if begins > ends:
        raise Invalid.at("from", "reversed", f"{begins} is after {ends}. Swap them.")
    if _count(begins, ends) > MAX_MONTHS:
        raise Invalid.at("to", "too-long", f"Choose at most {MAX_MONTHS} months.")
    return Period(begins, ends, zone)


def _count(first: Month, last: Month) -> int:
    return (last.year - first.year) * MONTHS_PER_YEAR + last.number - first.number + 1


def _read(field: str, text: str, current: Month) -> Month:
    found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", text)
    if found is None or int(found[1]) < FIRST_YEAR:
        raise Invalid.at(field, "not-a-month", "Write a month as a year and a number: 2026-11.")
    month = Month(int(found[1]), int(found[2]))
    if month > current:
        raise Invalid.at(field, "in-the-future", f"{month} has not begun yet.")
    return month
