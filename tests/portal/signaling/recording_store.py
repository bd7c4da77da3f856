"""A store that records the writes instead of making them, and a ledger that records the reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from uuid import uuid4

from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.report_queue import Unsaved
from portal.signaling.reports.session_report import SessionReport
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_writes import Recorded


class RecordingStore(FencedStore):
    def __init__(self) -> None:
        super().__init__(
            subscription_id=uuid4(),
            owner="me",
            threads=cast(DatabaseThreads, None),
            fence=LeaseFence(asked_at=boottime()),
        )
        self.writes: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def record_sending(self, row: Mitigation, now: datetime) -> Recorded | None:
        self.writes.append((services.record_sending, {"mitigation_id": row.pk, "now": now}))
        return Recorded()

    async def record_sent(self, row: Mitigation, at: datetime) -> None:
        await self.write(services.record_sent, mitigation_id=row.pk, now=at)

    async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
        self.writes.append((call, kwargs))


class RecordingLedger(Ledger):
    """Every report is unsaved until `save_all`, unless it `saves_at_once`."""

    def __init__(self, *, saves_at_once: bool = True) -> None:
        super().__init__(cast(DatabaseThreads, None))
        self.saves_at_once = saves_at_once
        self.reports: list[SessionReport] = []

    def put(self, report: SessionReport) -> bool:
        is_kept = self._queue.put(report, now=0.0) is not Unsaved.FULL
        if is_kept:
            self.reports.append(report)
        if self.saves_at_once:
            self.save_all()
        return is_kept

    def save_all(self) -> None:
        for report in self._queue.take_numbers(len(self.reports)):
            self._done(report, is_open=True)
