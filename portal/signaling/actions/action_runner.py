"""The actions under way on one live session: at most one per mitigation, each in its own
task.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dots_client import Client, DotsError, NoAnswer, SessionClosed
from portal.core.log_ids import add_log_ids
from portal.mitigations.models import Mitigation
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action, gives_way
from portal.signaling.actions.session_history import SessionHistory
from portal.signaling.async_events import loop_time
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.retry_after import asked_wait_s
from portal.signaling.store.fenced_store import NotSaved

logger = logging.getLogger(__name__)

REREAD_AFTER_S: Final = 0.25
"""After a successful action: one read of the rows covers what several actions changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAction:
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


class ActionRunner:
    """Calls `on_heard` with the mitigations that a poll reported, `on_success` with those of a
    successful action, and `on_ended` after every action with its mitigations and the seconds until
    their rows should be read again; None: they did not change.
    """

    def __init__(
        self,
        client: Client,
        actions: MitigationActions,
        reports: StatusReports,
        history: SessionHistory,
        *,
        on_heard: Callable[[Set[UUID]], None],
        on_success: Callable[[Sequence[Mitigation]], None],
        on_ended: Callable[[Sequence[Mitigation], float | None], None],
    ) -> None:
        self._client = client
        self._actions = actions
        self._reports = reports
        self._history = history
        self._on_heard = on_heard
        self._on_success = on_success
        self._on_ended = on_ended
        self._running: dict[UUID, RunningAction] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [running.task for running in self._running.values()]

    @property
    def oldest_begun_at(self) -> float | None:
        """When the oldest action under way began, in the loop's time; None: there is none."""
        return min((running.begun_at for running in self._running.values()), default=None)

    def of(self, mitigation_id: UUID) -> RunningAction | None:
        return self._running.get(mitigation_id)

    def begin(self, rows: Sequence[Mitigation], action: Action) -> None:
        """Begin an action for one mitigation; a poll may cover several."""
        running = RunningAction(
            action=action,
            begun_at=loop_time(),
            task=asyncio.create_task(self._run(rows, action)),
            is_shared=len(rows) > 1,
        )
        for row in rows:
            self._history.begun(row.pk, action, time=running.begun_at)
            self._running[row.pk] = running

    async def _run(self, rows: Sequence[Mitigation], action: Action) -> None:
        if len(rows) == 1:
            add_log_ids(mid=rows[0].mid)
        reread_s: float | None = 0.0
        try:
            reread_s = await self._act(rows, action)
            self._on_success(rows)
        except SessionClosed as error:
            logger.info("%s: %s not finished: %s", self._name(rows), action.name, error)
        except NotSaved:
            # Already logged, with the trace.
            self._failed(rows, action, is_answered=True)
        except (DotsError, TimeoutError) as error:
            logger.warning("%s: %s failed: %s", self._name(rows), action.name, error or "silence")
            is_answered = not isinstance(error, TimeoutError | NoAnswer)
            self._failed(rows, action, is_answered=is_answered, wait_s=asked_wait_s(error))
        except Exception:
            # A defect in the action of one mitigation must not end the session for the others, nor
            # repeat at once.
            logger.exception("%s: %s crashed", self._name(rows), action.name)
            self._failed(rows, action, is_answered=False)
        finally:
            for row in rows:
                if self._running[row.pk].task is asyncio.current_task():
                    del self._running[row.pk]
            self._on_ended(rows, reread_s)

    async def _act(self, rows: Sequence[Mitigation], action: Action) -> float | None:
        """Seconds until the rows should be read again; None: they did not change."""
        if action == Action.POLL:
            return 0.0 if await self._poll(rows) else None
        version = rows[0].version
        is_known = await self._actions.perform(self._client, rows[0], action)
        if is_known:
            self._history.introduced(rows[0].pk)
        self._history.succeeded(rows[0].pk, action)
        if rows[0].version != version:
            return None  # it was saved in the row in memory too
        return REREAD_AFTER_S if is_known else 0.0

    async def _poll(self, rows: Sequence[Mitigation]) -> bool:
        """Whether to reread the rows. A mitigation missing from a shared answer is polled alone."""
        if len(rows) == 1:
            polled = await self._reports.poll(self._client, rows[0])
        else:
            polled = await self._reports.poll_all(self._client, rows)
        for row in rows:
            if row.pk in polled.statuses:
                self._history.reported(row.pk, polled.statuses[row.pk], time=loop_time())
            elif row.pk in polled.absent:
                self._history.absent(row.pk)
            else:
                self.begin([row], Action.POLL)
                continue
            self._history.succeeded(row.pk, Action.POLL)
        self._on_heard(polled.statuses.keys())
        return polled.has_news

    def _name(self, rows: Sequence[Mitigation]) -> str:
        return self._reports.store.name(*rows)

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
                row.pk, action, time=loop_time(), is_answered=is_answered, wait_s=wait_s
            )
