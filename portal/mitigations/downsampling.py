"""Choose which old counter reports can be removed without changing the shape of the chart. A pure
function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

STEP: Final = timedelta(seconds=30)
"""The last and the highest report of each mitigation in each step are kept.

Shorter than the silence that the chart shows as a gap.
"""


@dataclass(frozen=True, slots=True)
class CounterReport:
    """One `mitigation.counters` event."""

    seq: int
    mitigation: UUID | None
    at: datetime
    rate: int = 0
    is_after_repeats: bool = False
    "it says how long the provider repeated the numbers of the previous report"


@dataclass(frozen=True, slots=True)
class Downsampled:
    """The event numbers of the reports to remove, and of those to change."""

    gone: frozenset[int]
    loose: frozenset[int]
    """kept, but they no longer say how long the previous report was repeated, since it is removed
    """


def downsample(reports: Iterable[CounterReport]) -> Downsampled:
    """Choose what to remove from `reports`, which are in the order of the log.

    The first and last report of each mitigation are kept, and those around a silence, so that no
    gap appears or disappears.
    """
    by_mitigation: dict[UUID | None, list[CounterReport]] = defaultdict(list)
    for report in reports:
        by_mitigation[report.mitigation].append(report)
    gone: set[int] = set()
    loose: set[int] = set()
    for own in by_mitigation.values():
        gone |= {report.seq for report in own} - _needed(own)
        loose |= {
            report.seq
            for before, report in pairwise(own)
            if report.is_after_repeats and before.seq in gone
        }
    return Downsampled(frozenset(gone), frozenset(loose - gone))


def _needed(own: list[CounterReport]) -> set[int]:
    steps: dict[float, list[CounterReport]] = defaultdict(list)
    for report in own:
        steps[report.at.timestamp() // STEP.total_seconds()].append(report)
    needed = {own[0].seq}
    for step in steps.values():
        needed |= {step[-1].seq, max(step, key=lambda report: report.rate).seq}
    for before, report in pairwise(own):
        if report.at - before.at > STEP:
            needed |= {before.seq, report.seq}
    return needed
