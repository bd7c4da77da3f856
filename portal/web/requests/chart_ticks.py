"""The times below a chart: whole minutes, hours or days, in the time zone of the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from portal.core.formatting import dated

MOST: Final = 5
_STEPS_S: Final = (
    *(5, 10, 20, 30, 60, 120, 300, 600, 900, 1800),
    *(hours * 3600 for hours in (1, 2, 3, 6, 12)),
    *(days * 86_400 for days in (1, 2, 5, 10, 30, 90, 365, 3650)),
)
_NEAR_AN_EDGE: Final = 0.08


@dataclass(frozen=True, slots=True)
class Tick:
    """One time, and its place."""

    x: str
    "in percent of the width"
    anchor: str
    "of the text, so that it stays inside the chart"
    words: str


def ticks(start: datetime, end: datetime) -> tuple[Tick, ...]:
    """At most MOST, evenly spaced; with seconds if minutes would repeat."""
    length = end - start
    if not length:
        return ()
    steps = (timedelta(seconds=one) for one in _STEPS_S)
    step = next((one for one in steps if length < one * MOST), length)
    return tuple(
        _tick((at - start) / length, dated(at, end, seconds=step < timedelta(minutes=1)))
        for at in _multiples(step, start, end)
    )


def _multiples(step: timedelta, start: datetime, end: datetime) -> Iterator[datetime]:
    """Of `step` since the midnight before `start`."""
    midnight = timezone.localtime(start).replace(hour=0, minute=0, second=0, microsecond=0)
    number = -((midnight - start) // step)
    while (at := midnight + number * step) <= end:
        yield at
        number += 1


def _tick(share: float, words: str) -> Tick:
    anchor = "start" if share < _NEAR_AN_EDGE else "end" if share > 1 - _NEAR_AN_EDGE else "middle"
    return Tick(f"{share * 100:.1f}%", anchor, words)
