"""What detectors reported, as lines in the chart: the attack, beside what providers drop.

A dot is a report. Reports without a silence between them are joined, and a silence is a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from portal.alerts.rates import SILENCE
from portal.core.formatting import when_dated
from portal.web.requests.chart_scale import rate_words, x_at, y_of

STYLES: Final = ("1", "2", "3")
"""Solid, dashed, dotted: no chart has more lines."""


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """What one detector reported from one moment to another, without a silence."""

    at: datetime
    until: datetime
    value: Decimal
    "bytes or packets per second"


@dataclass(frozen=True, slots=True)
class Detected:
    """What one detector reported of one attack, oldest first."""

    name: str
    reports: tuple[DetectorReport, ...]
    has_ended: bool = False

    def before(self, end: datetime) -> tuple[DetectorReport, ...]:
        return tuple(one for one in self.reports if one.at <= end)

    def between(self, start: datetime, end: datetime) -> tuple[DetectorReport, ...]:
        return tuple(one for one in self.before(end) if one.until >= start)


@dataclass(frozen=True, slots=True)
class Line:
    """One detector's line, ready to be drawn."""

    name: str
    style: str
    path: str
    dots: str
    latest: str
    latest_at: datetime
    is_old: bool
    "a silence followed the latest report, or the detector reported the end"


def lines_of(
    detected: Sequence[Detected], *, start: datetime, end: datetime, top: Decimal, unit: str
) -> tuple[Line, ...]:
    """Those that reported before the `end`. Older reports than the `start` are only in `latest`."""
    known = [one for one in detected if one.before(end)]
    return tuple(
        _line(one, style, start=start, end=end, top=top, unit=unit)
        for one, style in zip(known, STYLES, strict=False)
    )


def _line(
    one: Detected, style: str, *, start: datetime, end: datetime, top: Decimal, unit: str
) -> Line:
    shown, newest = one.between(start, end), one.before(end)[-1]
    pieces = [
        f"{'M' if index == 0 or each.at - shown[index - 1].until > SILENCE else 'L'}"
        f"{x_at(max(each.at, start), start, end)} {y_of(each.value, top)}"
        f"H{x_at(min(each.until, end), start, end)}"
        for index, each in enumerate(shown)
    ]
    dots = [
        f"M{x_at(each.at, start, end)} {y_of(each.value, top)}h0"
        for each in shown
        if each.at >= start
    ]
    latest_at = min(newest.until, end)
    return Line(
        name=one.name,
        style=style,
        path="".join(pieces),
        dots="".join(dots),
        latest=rate_words(newest.value, unit),
        latest_at=latest_at,
        is_old=one.has_ended or end - latest_at > SILENCE,
    )


def cells(
    detected: Sequence[Detected], *, since: datetime, until: datetime
) -> list[Decimal | None]:
    """The newest report of each after `since` and up to `until`; None: there is none."""
    found: list[Decimal | None] = []
    for one in detected:
        said = [each for each in one.before(until) if each.until > since]
        found.append(said[-1].value if said else None)
    return found


def sentences(
    detected: Sequence[Detected], *, start: datetime, end: datetime, unit: str
) -> list[str]:
    """For people who cannot see the lines."""
    found = []
    for one in detected:
        if shown := one.between(start, end):
            latest = rate_words(shown[-1].value, unit)
            highest = rate_words(max(each.value for each in shown), unit)
            at = when_dated(min(shown[-1].until, end), end)
            found.append(
                f"{one.name} last reported an attack of {latest}, {at}, and at most {highest}."
            )
    return found
