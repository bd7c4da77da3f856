"""Save many providers' reports that change only numbers, with a few statements for all of them.

Nearly all reports are like this: each mitigation may get one a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from portal.core.many_rows import lock_free_rows, update_many
from portal.events.data import EventData
from portal.events.log import ReportedEvent, append_counted, lock_free_logs
from portal.events.models import EventType
from portal.mitigations.models import Mitigation
from portal.mitigations.services.reports import (
    ProviderReport,
    changes_numbers_only,
    columns_of,
    numbers_event,
)
from portal.mitigations.states import TERMINAL


@dataclass(frozen=True, slots=True)
class HeardReport:
    """A report about one mitigation, and when it arrived."""

    mitigation_id: UUID
    report: ProviderReport
    at: datetime
    is_immediate: bool = False
    "of its request"


@dataclass(frozen=True, slots=True)
class SavedNumbers:
    """Which reports still have to be saved, by mitigation. All others are saved."""

    undecided: frozenset[UUID] = frozenset()
    "they may change more than numbers: `record_report` decides"
    locked: frozenset[UUID] = frozenset()
    "another process is writing to the row, or to the log of its organization"


@dataclass(slots=True)
class _Row:
    """A locked row, as far as a report concerns it."""

    pk: UUID
    organization_id: UUID
    request_id: UUID
    status: str
    wanted: str
    asked_at: datetime
    ended_at: datetime | None
    confirmed_at: datetime | None
    unsaved_at: datetime | None
    mitigation_start: datetime | None
    dots_status: int | None
    reported_at: datetime | None
    last_heard_at: datetime | None
    expires_at: datetime | None
    bytes_dropped: int | None
    pkts_dropped: int | None
    bps_dropped: int | None
    pps_dropped: int | None
    counters_at: datetime | None
    counters_since: datetime | None


_READ: Final = tuple(_Row.__slots__)
_WRITTEN: Final = _READ[_READ.index("unsaved_at") :]


@dataclass(frozen=True, slots=True)
class _Change:
    """A report that changes numbers of a row."""

    row: _Row
    columns: Mapping[str, Any]
    event_data: EventData
    "empty if it gets no event"
    at: datetime


@transaction.atomic(savepoint=False)
def record_numbers(
    heard: Sequence[HeardReport], *, clock: Callable[[], datetime] | None = None
) -> SavedNumbers:
    """Save the reports that change only numbers, at most one of each mitigation.

    This never waits for a lock: rows that another process is writing are left for later. A report
    after the end changes nothing. `clock`: see `record_report`.
    """
    found = lock_free_rows(Mitigation, _READ, [one.mitigation_id for one in heard])
    rows = {row.pk: row for row in (_Row(*values) for values in found)}
    now = clock() if clock else None
    changes: list[_Change] = []
    undecided: set[UUID] = set()
    for one in heard:
        row = rows.get(one.mitigation_id)
        if row is None or row.status in TERMINAL:
            continue
        if changes_numbers_only(row, one.report, one.at, is_immediate=one.is_immediate):
            changes.append(_change(row, one, now or one.at))
        else:
            undecided.add(row.pk)
    logs = lock_free_logs(Counter(one.row.organization_id for one in changes if one.event_data))
    free = [one for one in changes if not one.event_data or one.row.organization_id in logs]
    update_many(Mitigation, _WRITTEN, [_values(one) for one in free])
    append_counted([_event(one) for one in free if one.event_data], logs)
    is_free = {one.row.pk for one in free}
    locked = {one.mitigation_id for one in heard} - rows.keys()
    locked |= {one.row.pk for one in changes} - is_free
    return SavedNumbers(frozenset(undecided), frozenset(locked))


def _change(row: _Row, heard: HeardReport, now: datetime) -> _Change:
    event_data = numbers_event(row, heard.report, heard.at, now)
    columns = columns_of(row, heard.report, heard.at, now, has_news=bool(event_data))
    return _Change(row, columns, event_data, heard.at)


def _values(change: _Change) -> list[object]:
    """The primary key, then the new or the present value of each column that is written."""
    columns, row = change.columns, change.row
    return [row.pk, *(columns.get(name, getattr(row, name)) for name in _WRITTEN)]


def _event(change: _Change) -> ReportedEvent:
    return ReportedEvent(
        organization_id=change.row.organization_id,
        request_id=change.row.request_id,
        mitigation_id=change.row.pk,
        type=EventType.MITIGATION_COUNTERS,
        at=change.at,
        data=change.event_data,
    )
