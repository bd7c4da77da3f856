"""The ledger: saves what providers report, for all sessions of a worker (ADR 56).

Reports that change only numbers are saved together, in one transaction for all mitigations that
wait. A report that may change a status is decided alone, under the locks of its request. A report
is never lost: what cannot be saved together is saved alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from math import inf
from typing import Any, Final
from uuid import UUID

from django.db import Error

from dots_client import SessionClosed
from portal.core.database import RowsLocked
from portal.core.log_ids import log_ids
from portal.core.metrics import (
    LEDGER_DECIDED,
    LEDGER_FLUSH_REPORTS,
    LEDGER_FLUSH_SECONDS,
    LEDGER_UNSAVED_BY,
    LEDGER_WAITING,
)
from portal.signaling.async_events import loop_time
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.reports.numbers_flush import save_numbers
from portal.signaling.reports.report_queue import ReportQueue, Unsaved
from portal.signaling.reports.session_report import SessionReport

logger = logging.getLogger(__name__)

DECIDING_THREADS: Final = 2
"""Reports that are decided at the same time, at most one of each organization: it may wait for a
lock of that organization. The numbers have another thread.
"""
NUMBERS_EVERY_S: Final = 1.0
"""The shortest time between the starts of two transactions with numbers: pages show new numbers
every 2 s at most. After a pause the first report is saved at once.
"""
FIRST_EVERY_S: Final = 0.02
"""The same if the first report of a mitigation waits, which may be a change of status."""
MAX_FLUSHED: Final = 500
"""Reports in one transaction; beyond that the organizations take turns."""
MAX_LOCKED: Final = 5
"""Transactions that skip a report because another process has locked its row or its organization's
log. Then it is saved alone, which waits for the lock.
"""
RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 5.0
"""The pause while the database is away, doubled each time."""
LAST_FLUSH_S: Final = 2.0
"""Before leases are released, wait this long for their reports to be saved."""
WARNED_EVERY_S: Final = 60.0
"""The shortest time between two warnings about one subscription."""
WARNINGS: Final = {
    Unsaved.FLAPPING: "flapping: the provider keeps changing the status faster than once a second, "
    "and only the last status of each second is saved",
    Unsaved.FULL: "too many reports wait, so some are dropped until the next poll",
}


class Ledger:
    """One for a worker. Call every method on the agent's loop."""

    def __init__(self, threads: DatabaseThreads) -> None:
        """`threads`: only for the ledger, so that reports never delay other database work."""
        self.threads = threads
        self._queue: ReportQueue[SessionReport] = ReportQueue()
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_flushing = False
        self._has_first = asyncio.Event()
        self._flushed_at = -inf
        self._retry_s = RETRY_S
        self._deciding: set[UUID] = set()
        "the organizations of the reports that are being decided"
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at: dict[UUID, float] = {}
        LEDGER_WAITING.set_function(lambda: len(self._queue))

    def put(self, report: SessionReport) -> bool:
        """False if it is dropped, because there is no room."""
        if not self._queue.knows(report.mitigation_id):
            # Most first reports change the status: they need not be found out among the numbers.
            report.must_decide = report.seems_to_decide
        outcome = self._queue.put(report, now=loop_time())
        self._count_unsaved(report, outcome)
        self._begin()
        return outcome is not Unsaved.FULL

    def has_room(self, mitigation_id: UUID, subscription_id: UUID) -> bool:
        """Whether a report about the mitigation would not be dropped."""
        return self._queue.has_room(mitigation_id, subscription_id)

    async def until_one_saved(self, subscription_id: UUID) -> bool:
        """Wait until an unsaved report of the subscription is saved, or cannot be; False if another
        worker has the lease.
        """
        unsaved = (one for one in self._queue if one.subscription_id == subscription_id)
        report = next(unsaved, None)
        return True if report is None else await report.waiter()

    def has_unsaved(self, mitigation_id: UUID) -> bool:
        """Whether a report about it is not saved yet."""
        return self._queue.unsaved(mitigation_id) is not None

    async def until_saved(self, mitigation_id: UUID) -> bool:
        """Wait until the reports about it that arrived before are saved, or cannot be; False if
        another worker has the lease.
        """
        report = self._queue.unsaved(mitigation_id)
        return True if report is None else await report.waiter()

    async def finish(self, subscriptions: Collection[UUID]) -> None:
        """Wait until the reports of these subscriptions are saved, at most LAST_FLUSH_S."""
        waiters = [one.waiter() for one in self._queue if one.subscription_id in subscriptions]
        if waiters:
            _, late = await asyncio.wait(waiters, timeout=LAST_FLUSH_S)
            if late:
                logger.warning("ledger: the reports of %s mitigations are not saved", len(late))

    async def close(self) -> None:
        """Save nothing more. Call `finish` before."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.threads.close()

    # Inside

    def _begin(self) -> None:
        """Start whatever may be saved now."""
        while len(self._deciding) < DECIDING_THREADS:
            one = self._queue.take_change(loop_time(), busy=self._deciding)
            if one is None:
                break
            self._deciding.add(one.organization_id)
            self._start(self._decide(one))
        if self._queue.has_first:
            self._has_first.set()
        if self._queue.may_have_numbers and not self._is_flushing:
            self._is_flushing = True
            self._start(self._flush_all())
        if len(self._deciding) < DECIDING_THREADS:
            self._begin_at(self._queue.next_change_at)

    def _begin_at(self, when: float) -> None:
        if self._timer is not None and self._timer.when() > when:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and when < inf:
            self._timer = asyncio.get_running_loop().call_at(when, self._begin_again)

    def _begin_again(self) -> None:
        self._timer = None
        self._begin()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # It outlives the session that starts it, so it must not inherit that one's log ids.
        task = asyncio.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("ledger: a task crashed", exc_info=error)
            self._begin_at(loop_time() + RETRY_S)

    async def _flush_all(self) -> None:
        try:
            while self._queue.may_have_numbers:
                await self._pause()
                self._flushed_at = loop_time()
                reports = self._queue.take_numbers(MAX_FLUSHED)
                if not self._queue.has_first:
                    self._has_first.clear()
                if reports:
                    await self._flush(reports)
                    # Some of them may have to be decided now.
                    self._begin()
        finally:
            self._is_flushing = False

    async def _pause(self) -> None:
        """Wait until numbers may be saved again."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._flushed_at + NUMBERS_EVERY_S):
                await self._has_first.wait()
        await asyncio.sleep(self._flushed_at + FIRST_EVERY_S - loop_time())

    async def _flush(self, reports: Sequence[SessionReport]) -> None:
        """Save them together. Every one of them is returned to the queue, whatever happens."""
        taken = {one.mitigation_id: one for one in reports}
        try:
            await self._save_together(taken)
        finally:
            for one in taken.values():
                self._put_back(one)

    async def _save_together(self, taken: dict[UUID, SessionReport]) -> None:
        """Removes each report that it returns to the queue from `taken`."""
        reports = list(taken.values())
        heard = [(one.store, one.heard()) for one in reports]
        began = loop_time()
        try:
            saved = await self.threads.run_first(save_numbers, heard)
        except Error as error:
            logger.warning("ledger: the database is away: %s", error)
            while taken:
                self._put_back(taken.popitem()[1])
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)
            return
        except Exception:
            # A defect of ours must neither lose a report nor stop the ledger.
            logger.exception("ledger: %s reports are saved one by one", len(reports))
            while taken:
                self._put_back(taken.popitem()[1], must_decide=True)
            return
        self._retry_s = RETRY_S
        LEDGER_FLUSH_REPORTS.observe(len(heard))
        LEDGER_FLUSH_SECONDS.observe(loop_time() - began)
        for one in reports:
            del taken[one.mitigation_id]
            if one.mitigation_id in saved.locked:
                one.tries += 1
                self._put_back(one, must_decide=one.tries >= MAX_LOCKED)
            elif one.mitigation_id in saved.undecided:
                self._put_back(one, must_decide=True)
            else:
                self._done(one, is_open=one.store.is_open)

    def _put_back(
        self, report: SessionReport, *, must_decide: bool = False, is_locked: bool = False
    ) -> None:
        now = loop_time()
        if not report.store.is_open:
            self._done(report, is_open=False)
        elif must_decide:
            outcome = self._queue.decide(report, now=now, is_locked=is_locked)
            self._count_unsaved(report, outcome)
        else:
            self._count_unsaved(report, self._queue.put_back(report, now=now))

    async def _decide(self, report: SessionReport) -> None:
        LEDGER_DECIDED.inc()
        is_open, is_locked = True, False
        try:
            with log_ids(subscription=report.subscription_id, mid=report.row.mid):
                await report.save_alone(self.threads)
        except SessionClosed as error:
            is_open = False
            logger.info("%s: a report was not saved: %s", report.name, error)
        except RowsLocked:
            is_locked = True
            logger.info("%s: a report waits for a lock", report.name)
        finally:
            self._deciding.discard(report.organization_id)
            if is_locked:
                self._put_back(report, must_decide=True, is_locked=True)
            else:
                self._done(report, is_open=is_open)
            self._begin()

    def _done(self, report: SessionReport, *, is_open: bool) -> None:
        self._queue.done(report, now=loop_time())
        report.settle(is_open=is_open)

    def _count_unsaved(self, report: SessionReport, outcome: Unsaved | None) -> None:
        if outcome is None:
            return
        LEDGER_UNSAVED_BY[outcome.value].inc()
        if outcome is Unsaved.REPLACED:
            return
        logged_at = self._warned_at.get(report.subscription_id, -inf)
        if loop_time() - logged_at >= WARNED_EVERY_S:
            self._warned_at[report.subscription_id] = loop_time()
            logger.warning("%s: %s", report.name, WARNINGS[outcome])
