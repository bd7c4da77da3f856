"""Providers' reports that wait to be saved: which is saved next, and which is replaced by a newer
one.

Of one mitigation at most one report waits and one is being saved, so nothing overtakes anything.

Pure: no database and no clock. Every `now` is the event loop's time in seconds.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import count
from math import inf
from typing import Final, Generic, TypeVar
from uuid import UUID

from portal.mitigations.services import ProviderReport
from portal.mitigations.validation import INDEFINITE
from portal.signaling.reports.rotation import Rotation

MAX_WAITING: Final = 2_000
"""Mitigations of one subscription with an unsaved report. A notification about one more is dropped,
and the next report or poll repeats it; the answer to a poll waits for room.
"""
MAX_KNOWN: Final = 20_000
"""Mitigations whose last report is remembered."""
EVICTIONS_TRIED: Final = 8
"""How many of the oldest are looked at to forget one without an unsaved report."""
STATUS_EVERY_S: Final = 1.0
"""A new status of a mitigation is saved at most this often in the long run. Of several in between,
the last one counts.
"""
STATUS_BURST: Final = 3
"""After a quiet time, this many changes are saved without a pause between them: a provider that
accepts, begins to filter and is done may do so within a second.
"""
DECIDE_AGAIN_S: Final = 1.0
"""How long a report waits after another process had locked its row or that of its request."""
CLOCK_STEP: Final = timedelta(seconds=2)
"""The database's time, as a worker knows it, may step back by this when it is read again. It makes
no report older than the one before it.
"""


class Unsaved(Enum):
    """Why a report is never saved; the values are labels of a metric."""

    REPLACED = "replaced"
    "a newer report has the same status and newer amounts"
    FLAPPING = "flapping"
    "the provider reported another status before this one could be saved"
    FULL = "full"
    "too many mitigations of its subscription have an unsaved report"


@dataclass(slots=True, eq=False, kw_only=True)
class WaitingReport:
    """A report about one mitigation."""

    mitigation_id: UUID
    subscription_id: UUID
    organization_id: UUID
    report: ProviderReport
    at: datetime
    "when it arrived"
    must_decide: bool = False
    "by its row, it changes more than numbers"
    tries: int = 0
    "how often another process had locked its row"

    def replaces(self, older: WaitingReport) -> None:
        """Called when this report takes the place of `older`."""
        self.tries = max(self.tries, older.tries)
        if _continues(self.report, older.report):
            passed_s = max(0, (self.at - older.at) // timedelta(seconds=1))
            self.report = _overlaid(_after(older.report, passed_s), self.report)
            self.must_decide = self.must_decide or older.must_decide


R = TypeVar("R", bound=WaitingReport)


@dataclass(slots=True, eq=False)
class _Line(Generic[R]):
    """One mitigation's place in the queue."""

    waiting: R | None = None
    being_saved: R | None = None
    known: ProviderReport | None = None
    "the last report that was passed on for saving"
    arrived_at: datetime | None = None
    "when the last report arrived"
    paced_at: float = -inf
    "when the next change is due if all of them come evenly, STATUS_EVERY_S apart"
    held_until: float = -inf
    "another process had locked the row"
    is_in_numbers: bool = False
    is_in_changes: bool = False
    is_held: bool = False

    @property
    def is_idle(self) -> bool:
        return self.waiting is None and self.being_saved is None

    @property
    def may_go(self) -> R | None:
        return self.waiting if self.being_saved is None else None

    @property
    def change_at(self) -> float:
        """When the next change may be passed on: a leaky bucket that holds STATUS_BURST of them."""
        ahead_s = (STATUS_BURST - 1) * STATUS_EVERY_S
        return max(self.paced_at - ahead_s, self.held_until)

    def passes_change(self, now: float) -> None:
        self.paced_at = max(self.paced_at, now) + STATUS_EVERY_S

    @property
    def is_change(self) -> bool:
        """Whether the waiting report may change more than numbers. For the first report of a
        mitigation only its row can tell.
        """
        if self.waiting is None:
            return False
        is_known = self.known is None or _continues(self.waiting.report, self.known)
        return self.waiting.must_decide or not is_known


class ReportQueue(Generic[R]):
    """Numbers and changes of status leave through two doors, each in turn of the organizations.

    A report that was taken must come back, through `done`, `put_back` or `decide`.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING, max_known: int = MAX_KNOWN) -> None:
        self._max_waiting = max_waiting
        self._max_known = max_known
        self._lines: OrderedDict[UUID, _Line[R]] = OrderedDict()
        self._unsaved: Counter[UUID] = Counter()
        "mitigations with an unsaved report, by subscription"
        self._count = 0
        self._numbers: Rotation[_Line[R]] = Rotation()
        self._changes: Rotation[_Line[R]] = Rotation()
        self._held: list[tuple[float, int, _Line[R]]] = []
        self._numbering = count()
        self.has_first = False
        "a report waits whose mitigation has no earlier one: it may be a change of status"

    def __len__(self) -> int:
        """How many mitigations have an unsaved report."""
        return self._count

    def __iter__(self) -> Iterator[R]:
        """Every report that is not saved yet."""
        for line in self._lines.values():
            yield from (one for one in (line.being_saved, line.waiting) if one is not None)

    def unsaved(self, mitigation_id: UUID) -> R | None:
        """The newest report of a mitigation that is not saved yet."""
        line = self._lines.get(mitigation_id)
        return None if line is None else line.waiting or line.being_saved

    def knows(self, mitigation_id: UUID) -> bool:
        """Whether a report about it was passed on before, with which the next one is compared."""
        line = self._lines.get(mitigation_id)
        return line is not None and line.known is not None

    def has_room(self, mitigation_id: UUID, subscription_id: UUID) -> bool:
        """Whether a report about the mitigation would not be dropped."""
        has_unsaved = self.unsaved(mitigation_id) is not None
        return has_unsaved or self._unsaved[subscription_id] < self._max_waiting

    def put(self, new: R, *, now: float) -> Unsaved | None:
        """Add a report. Returns what became of one that is never saved because of that: of an older
        one, or, with FULL, of this one.
        """
        if not self.has_room(new.mitigation_id, new.subscription_id):
            return Unsaved.FULL
        line = self._line(new.mitigation_id)
        if line.is_idle:
            self._count_unsaved(new, 1)
        last = line.arrived_at
        if last is not None and new.at < last < new.at + CLOCK_STEP:
            new.at = last
        line.arrived_at = new.at
        outcome = _replace(line.waiting, new, is_change=line.is_change)
        line.waiting = new
        self._place(line, now)
        return outcome

    @property
    def may_have_numbers(self) -> bool:
        return bool(self._numbers)

    def take_numbers(self, limit: int) -> list[R]:
        """At most `limit` reports that have no new status as far as known."""
        taken: list[R] = []
        while self._numbers and len(taken) < limit:
            line = self._numbers.pop()
            line.is_in_numbers = False
            if line.may_go is not None and not line.is_change:
                taken.append(self._take(line))
        self.has_first = self.has_first and bool(self._numbers)
        return taken

    def take_change(self, now: float, *, busy: Collection[UUID] = ()) -> R | None:
        """The next report with a new status that may be saved now, of an organization that is not
        `busy`.
        """
        while self._held and self._held[0][0] <= now:
            _, _, line = heapq.heappop(self._held)
            line.is_held = False
            self._place(line, now)
        while self._changes.has_any_but(busy):
            line = self._changes.pop(skipped=busy)
            line.is_in_changes = False
            if line.may_go is not None and line.is_change:
                line.passes_change(now)
                return self._take(line)
        return None

    @property
    def next_change_at(self) -> float:
        """When `take_change` may find a report that is too early now; infinite if there is none."""
        return self._held[0][0] if self._held else inf

    def done(self, report: R, *, now: float) -> None:
        """It is saved, or cannot be."""
        line = self._lines[report.mitigation_id]
        line.being_saved = None
        if line.is_idle:
            self._count_unsaved(report, -1)
        self._place(line, now)

    def put_back(self, report: R, *, now: float) -> Unsaved | None:
        """It was not saved: it waits again, unless a newer report arrived. Returns what became of
        it.
        """
        line = self._lines[report.mitigation_id]
        line.being_saved, newer = None, line.waiting
        outcome = None
        if newer is None:
            line.waiting = report
        else:
            outcome = _replace(report, newer, is_change=report.must_decide)
        self._place(line, now)
        return outcome

    def decide(self, report: R, *, now: float, is_locked: bool = False) -> Unsaved | None:
        """It may change more than numbers: it waits again, as a change. `is_locked`: it was about
        to be decided, and waits for DECIDE_AGAIN_S. Returns what became of it.
        """
        report.must_decide = True
        if is_locked:
            self._lines[report.mitigation_id].held_until = now + DECIDE_AGAIN_S
        return self.put_back(report, now=now)

    def _count_unsaved(self, report: R, more: int) -> None:
        self._count += more
        self._unsaved[report.subscription_id] += more

    def _take(self, line: _Line[R]) -> R:
        report = line.waiting
        assert report is not None
        line.waiting, line.being_saved = None, report
        if report.report.dots_status is not None:
            line.known = report.report
        return report

    def _place(self, line: _Line[R], now: float) -> None:
        """Have the line wait where its report belongs. What it leaves behind elsewhere is skipped
        there, and used if it returns.
        """
        report = line.may_go
        if report is None:
            return
        organization_id, subscription_id = report.organization_id, report.subscription_id
        if not line.is_change:
            self.has_first = self.has_first or line.known is None
            if not line.is_in_numbers:
                line.is_in_numbers = True
                self._numbers.put(line, organization_id, subscription_id)
        elif now >= line.change_at:
            if not line.is_in_changes:
                line.is_in_changes = True
                self._changes.put(line, organization_id, subscription_id)
        elif not line.is_held:
            line.is_held = True
            heapq.heappush(self._held, (line.change_at, next(self._numbering), line))

    def _line(self, mitigation_id: UUID) -> _Line[R]:
        line = self._lines.get(mitigation_id)
        if line is not None:
            self._lines.move_to_end(mitigation_id)
            return line
        for _ in range(EVICTIONS_TRIED if len(self._lines) >= self._max_known else 0):
            oldest, known = self._lines.popitem(last=False)
            if known.is_idle:
                break
            self._lines[oldest] = known
        line = self._lines[mitigation_id] = _Line()
        return line


def _replace(older: R | None, newer: R, *, is_change: bool) -> Unsaved | None:
    """What becomes of `older`, which waits as a change or as numbers."""
    if older is None:
        return None
    newer.replaces(older)
    is_lost = is_change and not _continues(newer.report, older.report)
    return Unsaved.FLAPPING if is_lost else Unsaved.REPLACED


def _continues(newer: ProviderReport, older: ProviderReport) -> bool:
    """Whether it only adds to the other one."""
    return (
        newer.dots_status in (None, older.dots_status)
        and newer.conflict in (None, older.conflict)
        and newer.mitigation_start in (None, older.mitigation_start)
    )


def _after(report: ProviderReport, passed_s: int) -> ProviderReport:
    """The report with what is left of its times after `passed_s` more seconds."""
    lifetime_s, conflict = report.lifetime_s, report.conflict
    if lifetime_s is not None and lifetime_s != INDEFINITE:
        lifetime_s = max(0, lifetime_s - passed_s)
    if conflict is not None and conflict.retry_after is not None:
        conflict = replace(conflict, retry_after=max(0, conflict.retry_after - passed_s))
    return replace(report, lifetime_s=lifetime_s, conflict=conflict)


_FIELDS: Final = tuple(one.name for one in fields(ProviderReport))


def _overlaid(older: ProviderReport, newer: ProviderReport) -> ProviderReport:
    """What both say together, which is what saving one after the other would leave."""
    said = {name: value for name in _FIELDS if (value := getattr(newer, name)) is not None}
    return newer if len(said) == len(_FIELDS) else replace(older, **said)
