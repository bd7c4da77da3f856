"""Which old counter reports may go, so that what they drew still stands: a pure function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

STEP: Final = timedelta(seconds=30)
"""Of each mitigation's reports in so long a time the last and the highest stay. Less than what the chart calls a hole."""


@dataclass(frozen=True, slots=True)
class CounterReport:
    """One `mitigation.counters` event."""

    seq: int
    mitigation: UUID | None
    at: datetime
    rate: int = 0
    is_after_repeats: bool = False
    "it says how long the numbers of the one before were repeated"


@dataclass(frozen=True, slots=True)
class Thinning:
    """What becomes of some reports, by their numbers."""

    gone: frozenset[int]
    loose: frozenset[int]
    "they stay, and no longer say how long the one before was repeated, which is gone"


def thinning(reports: Iterable[CounterReport]) -> Thinning:
    """What may go of `reports`, which come in the order of the log.

    Of each mitigation the first and the last stay, and what surrounds a silence: so no hole appears, and none is filled.
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
    return Thinning(frozenset(gone), frozenset(loose - gone))


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
