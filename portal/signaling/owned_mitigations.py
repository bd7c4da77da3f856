"""The live mitigations of one owned subscription as this worker last read them, and which of them
changed since.

Pure: `book.py` reads the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from portal.mitigations.models import Mitigation
from portal.mitigations.row_version import RowVersion
from portal.mitigations.services import ProviderReport
from portal.mitigations.services.reports import columns_of

END_TOLERANCE: Final = timedelta(seconds=3)
"""Reports count whole seconds, so the end of a lifetime in memory may differ by this from the
row's.
"""


@dataclass(slots=True)
class Unread:
    """What a read has to bring up to date."""

    everything: bool = False
    mitigations: set[UUID] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.everything or bool(self.mitigations)


Rows: TypeAlias = Mapping[UUID, Mitigation]


class OwnedMitigations:
    """At first everything is unread."""

    def __init__(self, subscription_id: UUID) -> None:
        self.subscription_id = subscription_id
        self._rows: dict[UUID, Mitigation] = {}
        self._unread = Unread(everything=True)
        self._being_read = Unread()
        self._changed: set[UUID] = set()
        self._read_at: dict[UUID, float] = {}

    @property
    def rows(self) -> Rows:
        """Those that need an action or polling, lowest mid first, as last read. Only the times and
        numbers of reports that arrived since are newer.
        """
        return self._rows

    @property
    def is_current(self) -> bool:
        """Nothing is known to have changed since it was read."""
        return not (self._unread or self._being_read)

    def changed(self, mitigations: Iterable[UUID] | None = None) -> None:
        """These rows may have changed, or come into being; None: any of them may have."""
        if mitigations is None:
            self._unread.everything = True
        else:
            self._unread.mitigations.update(mitigations)

    def noted(self, mitigations: Iterable[UUID]) -> None:
        """These rows changed in memory too."""
        self._changed.update(mitigations)

    def begin_read(self) -> Unread:
        """What to read now. `read` or `not_read` must follow."""
        self._being_read, self._unread = self._unread, Unread()
        return self._being_read

    def not_read(self) -> None:
        """The read failed."""
        self._unread.everything |= self._being_read.everything
        self._unread.mitigations |= self._being_read.mitigations
        self._being_read = Unread()

    def read(self, rows: Iterable[Mitigation], *, at: float) -> None:
        """Take over the rows that were read just now, at `at` in the loop's time.

        A row that was to be read and is missing is not live. A row in memory with a higher version
        stays: the worker changed it while the read ran.
        """
        unread, self._being_read = self._being_read, Unread()
        outdated = self._rows.keys() if unread.everything else unread.mitigations
        found = {
            row.pk: _newest(row, self._rows.get(row.pk))
            for row in rows
            if unread.everything or row.pk in unread.mitigations
        }
        self._changed |= outdated | found.keys()
        kept = {pk: row for pk, row in self._rows.items() if pk not in outdated}
        by_mid = sorted((*kept.values(), *found.values()), key=lambda row: row.mid)
        self._rows = {row.pk: row for row in by_mid}
        self._read_at = {pk: at if pk in found else self._read_at[pk] for pk in self._rows}

    def read_at(self, mitigation_id: UUID) -> float:
        """When the row was last read, in the loop's time."""
        return self._read_at.get(mitigation_id, float("-inf"))

    def take_changed(self) -> set[UUID]:
        """The mitigations that were read, or found to be live no more, since the last call."""
        taken, self._changed = self._changed, set()
        return taken

    def outdated(self, versions: Collection[RowVersion], *, are_all: bool) -> set[UUID]:
        """The mitigations whose rows changed after they were read.

        `are_all`: `versions` has all live rows of the subscription.
        """
        differ = {one.mitigation for one in versions if self._differs(one)}
        return (
            differ | self._rows.keys() - {one.mitigation for one in versions} if are_all else differ
        )

    def _differs(self, row: RowVersion) -> bool:
        known = self._rows.get(row.mitigation)
        return (
            known is None
            # A lower version was read before the row in memory.
            or row.version > known.version
            or not _end_alike(known.expires_at, row.expires_at)
        )


def note_numbers(row: Mitigation, report: ProviderReport, at: datetime, now: datetime) -> None:
    """Keep a row in memory as new as one that is read again after a report of numbers, which
    arrived at `at`.
    """
    for name, value in columns_of(row, report, at, now, has_news=False).items():
        setattr(row, name, value)


def _newest(row: Mitigation, known: Mitigation | None) -> Mitigation:
    """`row`, which may have been read before the last report was saved; or `known`, if the worker
    saved a later version of it meanwhile.
    """
    if known is not None and known.version > row.version:
        return known
    heard = None if known is None else known.last_heard_at
    if heard is not None and (row.last_heard_at is None or row.last_heard_at < heard):
        row.last_heard_at = heard
    return row


def _end_alike(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= END_TOLERANCE
