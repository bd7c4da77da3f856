"""Notice that a live session has fallen silent: probe it, and suspect it when something waits for
its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from dots_client import Client
from portal.mitigations.models import Mitigation
from portal.mitigations.states import CONFIRMED
from portal.signaling.actions.action_runner import ActionRunner
from portal.signaling.actions.next_action import Action
from portal.signaling.async_events import loop_time
from portal.signaling.store.session_activity import SessionActivity

WATCH_S: Final = 1.0
IDLE_WATCH_S: Final = 10.0
"""The same while there is no mitigation: then only the time of the last heartbeat is to be saved.
"""
PROBE_AFTER_S: Final = 4.0
"""Poll one confirmed mitigation on a session that is silent for this long: a provider that lost its
memory and its sessions does not report that.
"""
SUSPECT_AFTER_S: Final = 5.0
"""With an action unanswered for this long on a silent session, a new session is tried beside it
(SC-094).
"""


class SilenceWatch:
    """Watches one session. Calls `on_recovered` when a suspected session is heard again."""

    def __init__(
        self,
        client: Client,
        runner: ActionRunner,
        activity: SessionActivity,
        *,
        on_recovered: Callable[[], None],
    ) -> None:
        self.is_suspect = asyncio.Event()
        self._confirmed: Collection[Mitigation] = ()
        "mitigations that the provider confirmed, as last read"
        self._has_mitigations = asyncio.Event()
        self._client = client
        self._runner = runner
        self._activity = activity
        self._on_recovered = on_recovered

    def mitigations_read(self, rows: Collection[Mitigation]) -> None:
        """These are live."""
        self._confirmed = [row for row in rows if row.status in CONFIRMED]
        if rows:
            self._has_mitigations.set()
        else:
            self._has_mitigations.clear()

    async def check(self) -> None:
        """Wait for the next check, then check once."""
        await self._pause()
        await self._activity.save(heard_s=self._silent_s())
        self._probe_if_silent()
        begun_at, heard_at = self._runner.oldest_begun_at, self._client.last_heard_at
        if begun_at is not None and loop_time() - max(begun_at, heard_at) > SUSPECT_AFTER_S:
            self.is_suspect.set()
        elif self.is_suspect.is_set():
            self.is_suspect.clear()
            self._on_recovered()

    async def _pause(self) -> None:
        if self._has_mitigations.is_set() or self.is_suspect.is_set():
            await asyncio.sleep(WATCH_S)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_WATCH_S):
                await self._has_mitigations.wait()

    def _probe_if_silent(self) -> None:
        is_waiting = self._runner.oldest_begun_at is not None
        if is_waiting or not self._confirmed or self._silent_s() < PROBE_AFTER_S:
            return
        longest_unheard = min(self._confirmed, key=lambda row: row.last_heard_at or row.asked_at)
        self._runner.begin([longest_unheard], Action.POLL)

    def _silent_s(self) -> float:
        return loop_time() - self._client.last_heard_at
