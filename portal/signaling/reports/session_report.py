"""A report on its way through the ledger, with the session that sent it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from dots_client import SessionClosed
from portal.core.database import RowsLocked, waits_for_locks
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import HeardReport, ProviderReport
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import database_clock
from portal.signaling.reports.report_queue import WaitingReport
from portal.signaling.store.fenced_store import FencedStore

logger = logging.getLogger(__name__)

LOCK_WAIT_MS: Final = 300
"""How long a decision about a report waits for each lock, before other reports have their turn."""


@dataclass(slots=True, eq=False, kw_only=True)
class SessionReport(WaitingReport):
    """A report with those who wait until it is saved."""

    row: Mitigation
    "as its session knows it"
    store: FencedStore
    on_saved: Callable[[ProviderReport, datetime], None] | None = None
    "called with what was saved, merged from this report and older ones, and when it arrived"
    waiters: list[asyncio.Future[bool]] = field(default_factory=list)
    "each gets False if another worker has the lease"

    def replaces(self, older: WaitingReport) -> None:
        WaitingReport.replaces(self, older)
        assert isinstance(older, SessionReport)
        self.on_saved = self.on_saved or older.on_saved
        self.waiters += older.waiters

    def settle(self, *, is_open: bool) -> None:
        """Tell those who wait that it is saved, or could not be, or that the lease is lost."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(is_open)
        if is_open and self.on_saved is not None:
            try:
                self.on_saved(self.report, self.at)
            except Exception:
                # A defect of one session must not stop the ledger of all.
                logger.exception("%s: what follows from a report failed", self.name)

    def heard(self) -> HeardReport:
        return HeardReport(
            self.mitigation_id, self.report, self.at, is_immediate=self.row.request.is_immediate
        )

    @property
    def seems_to_decide(self) -> bool:
        """Whether it changes more than numbers, by the row as its session knows it."""
        row = self.row
        return not services.changes_numbers_only(
            row, self.report, self.at, is_immediate=row.request.is_immediate
        )

    @property
    def name(self) -> str:
        """For the log."""
        return self.store.name(self.row)

    def waiter(self) -> asyncio.Future[bool]:
        """Done once the report is saved, or could not be; False if another worker has the lease."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    async def save_alone(self, threads: DatabaseThreads) -> None:
        """Save the report under the locks of its request, or at least that it cannot be saved.
        Raises SessionClosed if another worker has the lease, and RowsLocked if the locks are not
        free soon.
        """
        store = self.store.on(threads)
        try:
            await store.write(
                _record_unless_locked,
                mitigation_id=self.mitigation_id,
                report=self.report,
                now=self.at,
                clock=database_clock.now,
            )
        except (SessionClosed, RowsLocked):
            raise
        except Exception as error:  # noqa: BLE001  `write_failure` logs it
            # Anything in a report may make the write fail; `write_failure` logs the trace.
            await store.write_failure(self.row, error, is_answered=True, lock_wait_ms=LOCK_WAIT_MS)


def _record_unless_locked(
    *, mitigation_id: UUID, report: ProviderReport, now: datetime, clock: Callable[[], datetime]
) -> None:
    with waits_for_locks(LOCK_WAIT_MS):
        services.record_report(mitigation_id=mitigation_id, report=report, now=now, clock=clock)
