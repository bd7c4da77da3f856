"""One session with a provider while it is up: compare the rows with what is known, and begin the
actions that follow.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import Error

from dots_client import Client, DotsError, MitigationReport
from portal.core.database import is_away
from portal.mitigations import services
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import ACTIVE, CONFIRMED, Status
from portal.signaling.actions.action_runner import REREAD_AFTER_S, ActionRunner
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action, NextAction, next_action, waits_for_older
from portal.signaling.actions.session_history import SessionHistory
from portal.signaling.actions.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.async_events import loop_time
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.journal.wire_recorder import WireRecorder
from portal.signaling.leasing import database_clock
from portal.signaling.owned_mitigations import OwnedMitigations, Rows, note_numbers
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.retrying_loop import loop_with_retries
from portal.signaling.sessions.observations import Observations
from portal.signaling.sessions.silence_watch import SilenceWatch

logger = logging.getLogger(__name__)

RECHECK_S: Final = 5.0
"""The longest time between two checks of what is due by the clock, with the rows as last read."""
FRESH_S: Final = 1.0
"""Every action but a poll begins with a row that was read this recently."""
REST_PER_CHECK: Final = 3.0
"""Rest after a check for this many times as long as it took, so that checking many rows takes at
most a quarter of the loop's time.
"""
MAX_REST_S: Final = 0.5
"""The limit, because a check seems to take long while the process is stopped."""
DATABASE_PAUSE_S: Final = 1.0


class LiveSession:
    """Runs until the session ends or `retire` is called.

    `settings`: the settings that it was opened with.
    """

    def __init__(
        self,
        client: Client,
        actions: MitigationActions,
        reports: StatusReports,
        book: Book,
        owned: OwnedMitigations,
        *,
        settings: ConnectionSettings,
        opened_at: datetime,
        recorder: WireRecorder,
        unknown: UnknownMitigationWatch,
        on_recovered: Callable[[], None],
    ) -> None:
        self.client = client
        self.settings = settings
        self.opened_at = opened_at
        self.is_over = asyncio.Event()
        self._reports = reports
        self._store = reports.store
        self._recorder = recorder
        self._unknown = unknown
        self.book = book
        self.owned = owned
        self._wakeup = asyncio.Event()
        self._next_read: asyncio.TimerHandle | None = None
        self._to_reread: set[UUID] = set()
        self._retired = asyncio.Event()
        self.is_idle = False
        "there was no mitigation when the rows were last read"
        self._check_all_at = float("-inf")
        "when something is due about a mitigation whose row did not change, in the loop's time"
        self._checked_at = loop_time()
        "when this session last compared its rows with what is wanted, in the loop's time"
        self._history = SessionHistory()
        self.runner = self._new_runner(actions)
        self._observations = Observations(
            client, reports, on_report=self._reported, on_saved=self._saved, on_absent=self._absent
        )
        self._silence = SilenceWatch(
            client, self.runner, actions.activity, on_recovered=on_recovered
        )
        self.is_suspect = self._silence.is_suspect
        self._to_poll: list[Mitigation] = []
        self._postponed: set[UUID] = set()
        "those with an action that is due and waits for the one under way"
        self._undecided: set[UUID] = set()

    def _new_runner(self, actions: MitigationActions) -> ActionRunner:
        return ActionRunner(
            self.client,
            actions,
            self._reports,
            self._history,
            on_heard=self._heard,
            on_success=self._observe_if_due,
            on_ended=self._action_ended,
        )

    def wake(self) -> None:
        """The book knows of changed rows: read them now."""
        self._wakeup.set()

    def wake_unknown(self) -> None:
        """A person may have asked to withdraw an unknown mitigation."""
        self._unknown.wake()

    def retire(self) -> None:
        """Another session took over."""
        self._retired.set()

    async def run(self) -> DotsError | None:
        """The reason why the session is over; None when it was retired."""
        name = self._store.name()
        closed = asyncio.create_task(self.client.closed())
        retired = asyncio.create_task(self._retired.wait())
        work = asyncio.create_task(loop_with_retries(self._work, name))
        watch = asyncio.create_task(loop_with_retries(self._silence.check, name))
        unknown = asyncio.create_task(self._unknown.run())
        try:
            await asyncio.wait({closed, retired, work, watch}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, watch):
                if task.done():
                    task.result()
            return closed.result() if closed.done() else None
        finally:
            running = [*self.runner.tasks, *self._observations.tasks]
            await _stop(closed, retired, work, watch, unknown, *running)

    async def _work(self) -> None:
        """Do what is due, and wait until something is."""
        self._wakeup.clear()
        try:
            await self.book.read(self.owned)
        except Error as error:
            if not is_away(error):
                raise
            logger.warning("%s: cannot read: %s", self._store.name(), error)
            await asyncio.sleep(DATABASE_PAUSE_S)
            return
        began = loop_time()
        due_s = self.check()
        await asyncio.sleep(min(REST_PER_CHECK * (loop_time() - began), MAX_REST_S))
        await self._until_due(due_s)

    async def _until_due(self, seconds: float) -> None:
        """Wait for a wake-up, or until something is due by the rows as last read."""
        while seconds > 0:
            try:
                # Without mitigations nothing falls due.
                async with asyncio.timeout(seconds if self._rows else None):
                    await self._wakeup.wait()
            except TimeoutError:
                now = database_clock.now()
                due_s = [self._due_s(row, self._next(row, now), now) for row in self._rows.values()]
                seconds = min([RECHECK_S, *due_s])
            else:
                return
        self._check_all_at = loop_time()

    def check(self) -> float:
        """Compare wanted with observed and begin the actions that follow. Returns seconds until
        more is due.

        Checks the rows that changed, and all of them once something is due by the clock.
        """
        rows, changed = self._rows, self.owned.take_changed()
        checked_at, self._checked_at = self._checked_at, loop_time()
        self.is_idle = not rows
        self._silence.mitigations_read(rows.values())
        self._recorder.keeps_heartbeats = bool(rows)
        now = database_clock.now()
        self.client.mitigating = any(is_under_attack(row) for row in rows.values())
        self._observations.forget_all_but(rows.keys())
        self._history.forget_all_but(rows.keys())
        self._postponed &= rows.keys()
        is_full = self._check_all_at <= loop_time()
        to_check = [row for pk, row in rows.items() if is_full or pk in changed]
        if any(not row.request.is_immediate for row in to_check):
            # A plan may wait for an older one of the same subscription.
            to_check = list(rows.values())
        due_s = [
            self._begin_if_due(row, now, is_fresh=self._is_fresh(row, checked_at))
            for row in to_check
        ]
        if self._to_poll:
            self.runner.begin(self._to_poll, Action.POLL)
            self._to_poll = []
        # A more urgent action that falls due interrupts the running one.
        due_s += [
            max(REREAD_AFTER_S, self._due_s(row, self._next(row, now), now))
            for row in rows.values()
            if self.runner.of(row.pk)
        ]
        check_at = loop_time() + min([RECHECK_S, *due_s])
        self._check_all_at = check_at if is_full else min(self._check_all_at, check_at)
        return max(0.0, self._check_all_at - loop_time())

    def _is_fresh(self, row: Mitigation, checked_at: float) -> bool:
        read_at = self.owned.read_at(row.pk)
        # One that was read since the last check, for this one, is fresh however slow the loop is.
        return read_at > checked_at or read_at >= loop_time() - FRESH_S

    def _begin_if_due(self, row: Mitigation, now: datetime, *, is_fresh: bool) -> float:
        """Seconds until the next action about `row` is due."""
        self._observe_if_due([row])
        step = self._next(row, now)
        if running := self.runner.of(row.pk):
            if running.gives_way_to(step.action):
                running.task.cancel()
            if step.action != Action.WAIT:
                self._postponed.add(row.pk)
            return RECHECK_S
        self._postponed.discard(row.pk)
        due_s = self._due_s(row, step, now)
        if due_s > 0:
            return due_s
        if step.action == Action.POLL:
            if not self._reports.has_unsaved(row.pk):
                self._to_poll.append(row)
        elif is_fresh:
            self.runner.begin([row], step.action)
        else:
            self._read_in(0.0, {row.pk})
        return RECHECK_S

    @property
    def _rows(self) -> Rows:
        return self.owned.rows

    def _next(self, row: Mitigation, now: datetime) -> NextAction:
        running = self.runner.of(row.pk)
        try:
            # Reads the targets of other rows, any of which may be unreadable.
            waits = waits_for_older(row, self._rows.values(), is_known=self._history.is_known)
            history = self._history.of(
                row.pk,
                now=now,
                time=loop_time(),
                running=running.action if running else None,
                waits_for_older=waits,
            )
            return next_action(row, history, now)
        except Exception:
            # The others continue. Log it once per session: this code runs many times a minute.
            if row.pk not in self._undecided:
                self._undecided.add(row.pk)
                logger.exception("%s: cannot decide what is due", self._store.name(row))
            return NextAction(action=Action.WAIT)

    def _due_s(self, row: Mitigation, step: NextAction, now: datetime) -> float:
        """In how many seconds the action is due, or RECHECK_S for one under way."""
        running = self.runner.of(row.pk)
        if running and step.action != Action.WAIT and not running.gives_way_to(step.action):
            return RECHECK_S
        if step.action == Action.WAIT:
            return RECHECK_S if step.at is None else (step.at - now).total_seconds()
        return 0.0

    def _action_ended(self, rows: Sequence[Mitigation], reread_s: float | None) -> None:
        ids = {row.pk for row in rows}
        if ids & self._postponed:
            reread_s = 0.0
        elif reread_s is None and any(self._rows.get(row.pk) is not row for row in rows):
            reread_s = REREAD_AFTER_S  # the action knew an older row
        self._read_in(reread_s, ids)

    def _read_in(self, seconds: float | None, mitigations: Set[UUID]) -> None:
        """Read these rows within `seconds`; None: they are as in memory."""
        if seconds is None:
            self.owned.noted(mitigations)
            self.wake()
            return
        self._to_reread |= mitigations
        if seconds == 0:
            self._reread()
        elif self._next_read is None:
            self._next_read = asyncio.get_running_loop().call_later(seconds, self._reread)

    def _reread(self) -> None:
        if self._next_read is not None:
            self._next_read.cancel()
            self._next_read = None
        self.owned.changed(self._to_reread)
        self._to_reread = set()
        self.wake()

    def _observe_if_due(self, rows: Sequence[Mitigation]) -> None:
        for row in rows:
            if self._history.is_introduced(row.pk):
                self._observations.begin(row)

    def _heard(self, mitigation_ids: Set[UUID]) -> None:
        now = database_clock.now()
        for mitigation_id in mitigation_ids & self._rows.keys():
            self._rows[mitigation_id].last_heard_at = now

    def _reported(self, row: Mitigation, report: MitigationReport) -> None:
        self._history.reported(row.pk, report.status, time=loop_time())
        if known := self._rows.get(row.pk):
            known.last_heard_at = database_clock.now()

    def _saved(self, row: Mitigation, said: ProviderReport, at: datetime) -> None:
        """Read the row again, but not for new numbers."""
        known = self._rows.get(row.pk)
        if known is None:
            return
        if services.changes_numbers_only(known, said, at, is_immediate=known.request.is_immediate):
            note_numbers(known, said, at, database_clock.now())
        else:
            self._read_in(REREAD_AFTER_S, {row.pk})

    def _absent(self, row: Mitigation) -> None:
        self._history.absent(row.pk)
        self._read_in(0.0, {row.pk})


def is_under_attack(row: Mitigation) -> bool:
    """A plan or a drill in standby is not an attack; a plan that the provider activated is."""
    signs = (Status.PENDING, *CONFIRMED) if row.request.is_immediate else ACTIVE
    return row.wanted == Wanted.ACTIVE and row.status in signs


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
