"""One live session and all that runs on it: an action and an observation per mitigation, and the watch over both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import Error

from dots_client import Client, DotsError, MitigationReport, NoAnswer, SessionClosed
from portal.core.database import is_away
from portal.mitigations import queries
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import ACTIVE, CONFIRMED, Status
from portal.signaling import database_clock
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.fenced_store import NotSaved
from portal.signaling.mitigation_actions import MitigationActions
from portal.signaling.next_action import Action, NextAction, gives_way, next_action, waits_for_older
from portal.signaling.observations import Observations
from portal.signaling.retry_after import asked_wait_s
from portal.signaling.retrying_loop import loop_with_retries
from portal.signaling.session_history import SessionHistory
from portal.signaling.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.wire_recorder import WireRecorder

logger = logging.getLogger(__name__)

SWEEP_S: Final = 5.0
"""The longest time between two thoughts about what is due by the rows as they were read, and by the clock."""
READ_AGAIN_S: Final = 30.0
"""The longest time between two looks at the rows themselves. What a lost wake-up would have told comes sooner: by the
agent's own sweep."""
LOOK_AFTER_S: Final = 0.25
"""After an action that went well: what several of them changed is looked at together."""
REST_PER_LOOK: Final = 3.0
"""Pause after a look by how long it took: when there is much to do, looking takes a quarter of the time at most."""
MAX_REST_S: Final = 0.5
"""After a database that was away, or a process that was stopped, nobody waits for as long again."""
WATCH_S: Final = 1.0
PROBE_AFTER_S: Final = 4.0
"""A session with live mitigations that was silent for so long is asked for the status of one: a provider that lost its
memory with its sessions says nothing by itself."""
SUSPECT_AFTER_S: Final = 5.0
"""An action unanswered for so long on a silent session: a new session is tried beside it (SC-094)."""
DATABASE_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """An action under way."""

    action: Action
    begun_at: float
    task: asyncio.Task[None]
    is_shared: bool
    "also covers other mitigations"

    def gives_way_to(self, action: Action) -> bool:
        # A poll of several mitigations outweighs one of them, and ends soon either way.
        is_shared_poll = self.is_shared and action != Action.WITHDRAW
        return not is_shared_poll and gives_way(self.action, to=action)


class LiveSession:
    """Runs until the session ends or `retire` is called. Needs the owner's `MitigationActions`."""

    def __init__(
        self,
        client: Client,
        actions: MitigationActions,
        threads: DatabaseThreads,
        *,
        recorder: WireRecorder,
        unknown: UnknownMitigationWatch,
        on_recovered: Callable[[], None],
    ) -> None:
        self.client = client
        self._unknown = unknown
        self.is_suspect = asyncio.Event()
        self._mitigation_actions = actions
        self._recorder = recorder
        self._on_recovered = on_recovered
        self._subscription_id = actions.subscription_id
        self._threads = threads
        self._wakeup = asyncio.Event()
        self._next_look: asyncio.TimerHandle | None = None
        self._has_rows = True
        self._rows: dict[UUID, Mitigation] = {}
        "as they were read last, but for when the provider was heard of them"
        self._confirmed: list[Mitigation] = []
        self._retired = asyncio.Event()
        self._history = SessionHistory()
        self._actions: dict[UUID, _Running] = {}
        self._observations = Observations(
            client,
            actions,
            on_report=self._reported,
            on_saved=self._saved,
            on_absent=self._absent,
        )
        self._to_poll: list[Mitigation] = []
        self._has_postponed = False
        self._undecided: set[UUID] = set()

    @property
    def is_idle(self) -> bool:
        """No mitigation was there at the last look."""
        return not self._has_rows

    def wake(self) -> None:
        """Rows may have changed: look now."""
        self._unknown.wake()
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        self._wakeup.set()

    def retire(self) -> None:
        """Another session took over."""
        self._retired.set()

    async def run(self) -> DotsError | None:
        """The reason why the session is over; None when it was retired."""
        closed = asyncio.create_task(self.client.closed())
        retired = asyncio.create_task(self._retired.wait())
        work = asyncio.create_task(loop_with_retries(self._work, self._name()))
        watch = asyncio.create_task(loop_with_retries(self._watch, self._name()))
        unknown = asyncio.create_task(self._unknown.run())
        try:
            await asyncio.wait({closed, retired, work, watch}, return_when=asyncio.FIRST_COMPLETED)
            for task in (work, watch):
                if task.done():
                    task.result()
            return closed.result() if closed.done() else None
        finally:
            actions = [running.task for running in self._actions.values()]
            await _stop(closed, retired, work, watch, unknown, *actions, *self._observations.tasks)

    async def _work(self) -> None:
        """Do what is due, and wait until something is."""
        self._wakeup.clear()
        began, read_again_s = _time(), READ_AGAIN_S
        try:
            due_s = await self.reconcile()
        except Error as error:
            if not is_away(error):
                raise
            logger.warning("subscription %s: cannot read: %s", self._subscription_id, error)
            due_s = read_again_s = DATABASE_PAUSE_S
        await asyncio.sleep(min(REST_PER_LOOK * (_time() - began), MAX_REST_S))
        await self._until_due(due_s, latest=began + read_again_s)

    async def _until_due(self, seconds: float, *, latest: float) -> None:
        """Until a wake-up, `latest` on the loop's clock, or something is due by what is known of the rows."""
        while seconds > 0 and _time() < latest:
            try:
                async with asyncio.timeout(seconds):
                    await self._wakeup.wait()
            except TimeoutError:
                now = database_clock.now()
                due_s = [self._due_s(row, self._step(row, now), now) for row in self._rows.values()]
                seconds = min([SWEEP_S, *due_s])
            else:
                return

    async def reconcile(self) -> float:
        """Compare wanted with observed, begin what follows; seconds until something more is due."""
        rows = await self._threads.run_first(queries.live_mitigations, self._subscription_id)
        self._has_rows = bool(rows)
        self._rows = {row.pk: row for row in rows}
        self._confirmed = [row for row in rows if row.status in CONFIRMED]
        self._recorder.keeps_heartbeats = bool(rows)
        now = database_clock.now()
        self.client.mitigating = any(is_under_attack(row) for row in rows)
        self._forget_all_but(self._rows.keys())
        self._has_postponed = False
        due_s = [self._look_at(row, now) for row in rows]
        if self._to_poll:
            self._begin(self._to_poll, Action.POLL)
            self._to_poll = []
        # A more urgent action that falls due interrupts the running one.
        under_way = [row for row in rows if row.pk in self._actions]
        due_s += [
            max(LOOK_AFTER_S, self._due_s(row, self._step(row, now), now)) for row in under_way
        ]
        return min([SWEEP_S, *due_s])

    def _look_at(self, row: Mitigation, now: datetime) -> float:
        self._observe_if_due(row)
        step = self._step(row, now)
        running = self._actions.get(row.pk)
        if running:
            if running.gives_way_to(step.action):
                running.task.cancel()
            self._has_postponed = self._has_postponed or step.action != Action.WAIT
            return SWEEP_S
        due_s = self._due_s(row, step, now)
        if due_s > 0:
            return due_s
        if step.action != Action.POLL:
            self._begin([row], step.action)
        elif not self._mitigation_actions.has_unwritten(row.pk):
            self._to_poll.append(row)
        return SWEEP_S

    def _step(self, row: Mitigation, now: datetime) -> NextAction:
        waits = waits_for_older(row, self._rows.values(), is_known=self._history.is_known)
        running = self._actions.get(row.pk)
        session = self._history.of(
            row.pk,
            now=now,
            time=_time(),
            running=running.action if running else None,
            waits_for_older=waits,
        )
        try:
            return next_action(row, session, now)
        except Exception:
            # The others continue. Log it once per session: this code runs many times a minute.
            if row.pk not in self._undecided:
                self._undecided.add(row.pk)
                logger.exception("%s: what is due could not be decided", self._name(row))
            return NextAction(action=Action.WAIT)

    def _due_s(self, row: Mitigation, step: NextAction, now: datetime) -> float:
        """In how many seconds the step, or another look at it, is due; never for what is under way."""
        running = self._actions.get(row.pk)
        if running and step.action != Action.WAIT and not running.gives_way_to(step.action):
            return SWEEP_S
        if step.action == Action.WAIT:
            return SWEEP_S if step.at is None else (step.at - now).total_seconds()
        return 0.0

    def _begin(self, rows: Sequence[Mitigation], action: Action) -> None:
        """One action about one mitigation; a poll may be about several."""
        running = _Running(
            action=action,
            begun_at=_time(),
            task=asyncio.create_task(self._act(rows, action)),
            is_shared=len(rows) > 1,
        )
        for row in rows:
            self._history.begun(row.pk, action, time=running.begun_at)
            self._actions[row.pk] = running

    async def _act(self, rows: Sequence[Mitigation], action: Action) -> None:
        next_look_s: float | None = 0.0
        try:
            if action == Action.POLL:
                next_look_s = 0.0 if await self._poll(rows) else None
            else:
                if await self._mitigation_actions.perform(self.client, rows[0], action):
                    self._history.introduced(rows[0].pk)
                    next_look_s = LOOK_AFTER_S
                self._history.succeeded(rows[0].pk, action)
            for row in rows:
                self._observe_if_due(row)
        except SessionClosed as error:
            logger.info("%s: %s not finished: %s", self._name(*rows), action.name, error)
        except NotSaved:
            # The exchange has logged it, with the trace.
            self._failed(rows, action, is_answered=True)
        except (DotsError, TimeoutError) as error:
            logger.warning("%s: %s failed: %s", self._name(*rows), action.name, error or "silence")
            is_answered = not isinstance(error, TimeoutError | NoAnswer)
            wait_s = asked_wait_s(error)
            self._failed(rows, action, is_answered=is_answered, wait_s=wait_s)
        except Exception:
            # A defect in the exchange of one mitigation must not end the session for the others, nor repeat at once.
            logger.exception("%s: %s crashed", self._name(*rows), action.name)
            self._failed(rows, action, is_answered=False)
        finally:
            for row in rows:
                if self._actions[row.pk].task is asyncio.current_task():
                    del self._actions[row.pk]
            self._look_in(0.0 if self._has_postponed else next_look_s)

    def _failed(
        self,
        rows: Sequence[Mitigation],
        action: Action,
        *,
        is_answered: bool,
        wait_s: float = 0.0,
    ) -> None:
        for row in rows:
            self._history.failed(
                row.pk, action, time=_time(), is_answered=is_answered, wait_s=wait_s
            )

    async def _poll(self, rows: Sequence[Mitigation]) -> bool:
        """Whether to reread the rows. A mitigation missing from the answer about several gets a poll of its own."""
        if len(rows) == 1:
            polled = await self._mitigation_actions.poll(self.client, rows[0])
        else:
            polled = await self._mitigation_actions.poll_all(self.client, rows)
        for row in rows:
            if row.pk in polled.told:
                self._history.reported(row.pk, polled.told[row.pk], time=_time())
            elif row.pk in polled.absent:
                self._history.absent(row.pk)
            else:
                self._begin([row], Action.POLL)
                continue
            self._history.succeeded(row.pk, Action.POLL)
        self._heard(polled.told.keys())
        return polled.has_news

    def _look_in(self, seconds: float | None) -> None:
        """None: nothing changed, the sweep will do."""
        if seconds == 0:
            self.wake()
        elif seconds is not None and self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(seconds, self.wake)

    def _name(self, *rows: Mitigation) -> str:
        mids = ", ".join(str(row.mid) for row in rows)
        return f"subscription {self._subscription_id}{f' mid {mids}' if mids else ''}"

    def _observe_if_due(self, row: Mitigation) -> None:
        if self._history.is_introduced(row.pk):
            self._observations.begin(row)

    def _heard(self, mitigation_ids: Set[UUID]) -> None:
        now = database_clock.now()
        for mitigation_id in mitigation_ids & self._rows.keys():
            self._rows[mitigation_id].last_heard_at = now

    def _reported(self, row: Mitigation, report: MitigationReport) -> None:
        self._history.reported(row.pk, report.status, time=_time())
        self._heard({row.pk})

    def _saved(self, row: Mitigation, report: MitigationReport) -> None:
        if self._is_news(row.pk, report):
            self._look_in(LOOK_AFTER_S)

    def _absent(self, row: Mitigation) -> None:
        self._history.absent(row.pk)
        self.wake()

    def _is_news(self, mitigation_id: UUID, report: MitigationReport) -> bool:
        """Whether the rows are to be read anew for it: they follow a status, but no number."""
        known = self._rows.get(mitigation_id)
        return known is not None and report.status not in (None, known.dots_status)

    def _forget_all_but(self, live: Set[UUID]) -> None:
        self._observations.forget_all_but(live)
        self._history.forget_all_but(live)

    async def _watch(self) -> None:
        """Suspect a session that stays silent although something waits for its answer."""
        await asyncio.sleep(WATCH_S)
        await self._mitigation_actions.flush(heard_s=_time() - self.client.last_heard_at)
        self._probe_if_silent()
        oldest = min((running.begun_at for running in self._actions.values()), default=None)
        silent_since = self.client.last_heard_at
        if oldest is not None and _time() - max(oldest, silent_since) > SUSPECT_AFTER_S:
            self.is_suspect.set()
        elif self.is_suspect.is_set():
            self.is_suspect.clear()
            self._on_recovered()

    def _probe_if_silent(self) -> None:
        if (
            self._actions
            or not self._confirmed
            or _time() - self.client.last_heard_at < PROBE_AFTER_S
        ):
            return
        longest_unheard = min(self._confirmed, key=lambda row: row.last_heard_at or row.asked_at)
        self._begin([longest_unheard], Action.POLL)


def is_under_attack(row: Mitigation) -> bool:
    """A plan or a drill that is only held is no attack; a plan that the provider activated is one."""
    signs = (Status.PENDING, *CONFIRMED) if row.request.is_immediate else ACTIVE
    return row.wanted == Wanted.ACTIVE and row.status in signs


def _time() -> float:
    return asyncio.get_running_loop().time()


async def _stop(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
