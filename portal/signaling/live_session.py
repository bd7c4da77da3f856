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
from portal.mitigations import queries
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import ACTIVE, CONFIRMED, Status
from portal.signaling import database_clock
from portal.signaling.action_runner import REREAD_AFTER_S, ActionRunner
from portal.signaling.async_events import loop_time
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.mitigation_actions import MitigationActions
from portal.signaling.next_action import Action, NextAction, next_action, waits_for_older
from portal.signaling.observations import Observations
from portal.signaling.retrying_loop import loop_with_retries
from portal.signaling.session_history import SessionHistory
from portal.signaling.silence_watch import SilenceWatch
from portal.signaling.status_reports import StatusReports
from portal.signaling.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.wire_recorder import WireRecorder

logger = logging.getLogger(__name__)

RECHECK_S: Final = 5.0
"""The longest time between two checks of what is due by the clock, with the rows as last read."""
REREAD_S: Final = 30.0
"""The longest time between two reads of the rows.

The agent's own sweep makes up for a lost wake-up sooner.
"""
REST_PER_READ: Final = 3.0
"""Rest after reading for this many times as long as it took, so that reading takes at most a
quarter of the time.
"""
MAX_REST_S: Final = 0.5
"""The limit, because reading takes long while the database is away or the process is stopped."""
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
        self._wakeup = asyncio.Event()
        self._next_read: asyncio.TimerHandle | None = None
        self._retired = asyncio.Event()
        self.is_idle = False
        "there was no mitigation when the rows were last read"
        self._rows: dict[UUID, Mitigation] = {}
        "as last read, except for when the provider was last heard"
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
        self._has_postponed = False
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
        """Rows may have changed: read them now."""
        self._unknown.wake()
        if self._next_read is not None:
            self._next_read.cancel()
            self._next_read = None
        self._wakeup.set()

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
        began, reread_s = loop_time(), REREAD_S
        try:
            due_s = await self.reconcile()
        except Error as error:
            if not is_away(error):
                raise
            logger.warning("%s: cannot read: %s", self._store.name(), error)
            due_s = reread_s = DATABASE_PAUSE_S
        await asyncio.sleep(min(REST_PER_READ * (loop_time() - began), MAX_REST_S))
        await self._until_due(due_s, latest=began + reread_s)

    async def _until_due(self, seconds: float, *, latest: float) -> None:
        """Wait for a wake-up, for `latest` on the loop's clock, or until something is due by the
        rows as last read.
        """
        while seconds > 0 and loop_time() < latest:
            try:
                async with asyncio.timeout(seconds):
                    await self._wakeup.wait()
            except TimeoutError:
                now = database_clock.now()
                due_s = [self._due_s(row, self._next(row, now), now) for row in self._rows.values()]
                seconds = min([RECHECK_S, *due_s])
            else:
                return

    async def reconcile(self) -> float:
        """Compare wanted with observed and begin the actions that follow. Returns seconds until
        more is due.
        """
        rows = await self._store.threads.run_first(
            queries.live_mitigations, self._store.subscription_id
        )
        self.is_idle = not rows
        self._rows = {row.pk: row for row in rows}
        self._silence.confirmed = [row for row in rows if row.status in CONFIRMED]
        self._recorder.keeps_heartbeats = bool(rows)
        now = database_clock.now()
        self.client.mitigating = any(is_under_attack(row) for row in rows)
        self._observations.forget_all_but(self._rows.keys())
        self._history.forget_all_but(self._rows.keys())
        self._has_postponed = False
        due_s = [self._begin_if_due(row, now) for row in rows]
        if self._to_poll:
            self.runner.begin(self._to_poll, Action.POLL)
            self._to_poll = []
        # A more urgent action that falls due interrupts the running one.
        under_way = [row for row in rows if self.runner.of(row.pk)]
        due_s += [
            max(REREAD_AFTER_S, self._due_s(row, self._next(row, now), now)) for row in under_way
        ]
        return min([RECHECK_S, *due_s])

    def _begin_if_due(self, row: Mitigation, now: datetime) -> float:
        """Seconds until the next action about `row` is due."""
        self._observe_if_due([row])
        step = self._next(row, now)
        if running := self.runner.of(row.pk):
            if running.gives_way_to(step.action):
                running.task.cancel()
            self._has_postponed = self._has_postponed or step.action != Action.WAIT
            return RECHECK_S
        due_s = self._due_s(row, step, now)
        if due_s > 0:
            return due_s
        if step.action != Action.POLL:
            self.runner.begin([row], step.action)
        elif not self._reports.has_unsaved(row.pk):
            self._to_poll.append(row)
        return RECHECK_S

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

    def _action_ended(self, reread_s: float | None) -> None:
        self._read_in(0.0 if self._has_postponed else reread_s)

    def _read_in(self, seconds: float | None) -> None:
        """Read the rows within `seconds`; None: they did not change."""
        if seconds == 0:
            self.wake()
        elif seconds is not None and self._next_read is None:
            self._next_read = asyncio.get_running_loop().call_later(seconds, self.wake)

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
        self._heard({row.pk})

    def _saved(self, row: Mitigation, report: MitigationReport) -> None:
        """Read the rows again for a new status, but not for new numbers."""
        known = self._rows.get(row.pk)
        if known is not None and report.status not in (None, known.dots_status):
            self._read_in(REREAD_AFTER_S)

    def _absent(self, row: Mitigation) -> None:
        self._history.absent(row.pk)
        self.wake()


def is_under_attack(row: Mitigation) -> bool:
    """A plan or a drill in standby is not an attack; a plan that the provider activated is."""
    signs = (Status.PENDING, *CONFIRMED) if row.request.is_immediate else ACTIVE
    return row.wanted == Wanted.ACTIVE and row.status in signs


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
