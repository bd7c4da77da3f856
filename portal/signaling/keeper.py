"""Keeps one subscription's session: connects, replaces a suspect session, waits between attempts as the RFC says."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Final
from uuid import UUID

from dots_client import (
    ClientSettings,
    DotsError,
    Memory,
    Reconnect,
    Server,
    SessionClosed,
    WireRecord,
    connect,
)
from portal.mitigations import queries
from portal.providers.models import SessionState
from portal.signaling import clock, sessions
from portal.signaling.exchange import Exchange
from portal.signaling.hold import Hold
from portal.signaling.identity import Identity, load_identity
from portal.signaling.line import Line, is_under_attack
from portal.signaling.recorder import Recorder
from portal.signaling.store import Store
from portal.signaling.unknown import UnknownWatch

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""While there is no session: the longest time until a new request shortens the wait for the next attempt."""

STOP_NOTE_S: Final = 2.0
SENT_IN_CIRCLE: Final = "It sent the portal in a circle."
CRASHED: Final = RuntimeError("The portal failed to open the session. Its log says why.")


class Keeper:
    """Owns the session of one subscription for as long as `run` runs."""

    def __init__(
        self,
        *,
        subscription_id: UUID,
        owner: str,
        store: Store,
        recorder: Recorder,
        settings: ClientSettings,
        hold: Hold,
    ) -> None:
        self.subscription_id = subscription_id
        self._owner = owner
        self._store = store
        self._recorder = recorder
        self._settings = settings
        self._may_send = hold.is_on
        self._reconnect = Reconnect(rng=random.SystemRandom())
        self._exchange = Exchange(
            subscription_id=subscription_id,
            owner=owner,
            store=store,
            hold=hold,
            on_cuid_replaced=self._reopen,
        )
        self._line: Line | None = None
        self._memory: tuple[Server, Memory] | None = None
        self._goes_in_circle = False
        self._noted: tuple[SessionState, str, str] | None = None
        self._changed = asyncio.Event()
        self._lines: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        return self._line is not None

    @property
    def is_idle(self) -> bool:
        """Nothing is asked of the provider."""
        return self._line is None or self._line.is_idle

    def wake(self) -> None:
        """Rows may have changed."""
        self._changed.set()
        if self._line:
            self._line.wake()

    def _reopen(self) -> None:
        if self._line:
            self._line.retire()

    async def run(self) -> None:
        """Until cancelled. Then the session is closed and the rows say that it is."""
        try:
            await self._note(SessionState.CONNECTING)
            while True:
                if self._line is None:
                    await self._attempt_when_due()
                else:
                    await self._guard(self._line)
        finally:
            await self._stop()

    async def _attempt_when_due(self) -> None:
        """Wait for the next attempt's time, sooner when somebody asks for help meanwhile."""
        while True:
            self._changed.clear()
            rows = await self._exchange.until_done(queries.live_mitigations, self.subscription_id)
            self._recorder.keeps_heartbeats = bool(rows)
            is_wanted = any(is_under_attack(row) for row in rows)
            due_at = self._reconnect.next_attempt_at(now=_time(), is_under_attack=is_wanted)
            delay_s = due_at - _time()
            if delay_s <= 0:
                break
            try:
                async with asyncio.timeout(min(delay_s, LOOK_S) if not rows else delay_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
        await self._attempt(is_wanted=is_wanted)

    async def _guard(self, line: Line) -> None:
        """Until the session ends; a suspect one gets a rival, and the first that works stays.

        So does one that has a better place to be: redirected, back again, or UDP beside TCP.
        """
        should_move = line.client.should_move
        while self._line is line:
            self._changed.clear()
            if should_move.is_set():
                should_move.clear()
                logger.info("subscription %s: moving", self.subscription_id)
                await self._attempt(is_wanted=line.client.mitigating)
                continue
            if not line.is_suspect.is_set():
                self._reconnect.succeeded()
                await self._note_up(line)
                await self._wait_for(line.is_suspect, self._changed, should_move)
                continue
            delay_s = self._reconnect.next_attempt_at(now=_time(), is_under_attack=True) - _time()
            if delay_s > 0:
                await asyncio.sleep(min(delay_s, LOOK_S))
                continue
            logger.info("subscription %s: silent, trying a new session", self.subscription_id)
            await self._attempt(is_wanted=True, suspect=line)

    async def _wait_for(self, *events: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _attempt(self, *, is_wanted: bool, suspect: Line | None = None) -> None:
        """One race of handshakes. The session it makes runs on in a task of its own.

        It ends when `suspect`, which it is to replace, is heard after all (SC-095).
        """
        self._reconnect.attempted(now=_time())
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._hold(opened, is_wanted=is_wanted))
        self._lines.add(task)
        task.add_done_callback(self._line_ended)
        while not (opened.done() or task.done()):
            self._changed.clear()
            changed = asyncio.create_task(self._changed.wait())
            waiting: set[asyncio.Future[Any]] = {opened, task, changed}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if suspect and not suspect.is_suspect.is_set() and not opened.done():
                task.cancel()
                return
        failure = opened.exception() if opened.done() else CRASHED
        if failure is None:
            self._reconnect.succeeded()
            return
        logger.warning("subscription %s: no session: %s", self.subscription_id, failure)
        if self._line is None or self._line.is_suspect.is_set():
            await self._note(SessionState.DOWN, detail=str(failure))

    async def _hold(self, opened: asyncio.Future[None], *, is_wanted: bool) -> None:
        try:
            identity: Identity = await self._exchange.until_done(
                load_identity, self.subscription_id
            )
            async with connect(
                identity.server,
                identity.credentials,
                cuid=identity.cuid,
                settings=self._settings,
                on_wire=self._see,
                memory=self._memory_of(identity.server),
                is_under_attack=is_wanted,
                may_send=self._may_send,
            ) as client:
                self._goes_in_circle = False
                rival = self._line
                line = Line(
                    client,
                    self._exchange,
                    self._store,
                    recorder=self._recorder,
                    unknown=UnknownWatch(client, self._exchange),
                    on_relief=self._changed.set,
                )
                self._line = line
                if rival:
                    rival.retire()
                await self._note_up(line)
                opened.set_result(None)
                try:
                    reason = await line.run()
                finally:
                    if self._line is line:
                        self._line = None
                if self._line is None:
                    logger.warning(
                        "subscription %s: session over: %s", self.subscription_id, reason
                    )
                    await self._note(SessionState.CONNECTING, detail=str(reason or ""))
        except DotsError as error:
            if opened.done():
                logger.warning("subscription %s: %s", self.subscription_id, error)
            else:
                opened.set_exception(error)

    def _see(self, record: WireRecord) -> None:
        """What a closed gate keeps back was not sent."""
        if record.direction == "received" or self._may_send():
            self._recorder.see(record)

    def _line_ended(self, task: asyncio.Task[None]) -> None:
        self._lines.discard(task)
        self._changed.set()
        if not task.cancelled() and task.exception():
            logger.error(
                "subscription %s: the session crashed",
                self.subscription_id,
                exc_info=task.exception(),
            )

    def _memory_of(self, server: Server) -> Memory:
        """What earlier sessions learned, as long as the provider's row is the same."""
        if self._memory is None or self._memory[0] != server:
            self._memory = server, Memory(on_circle=self._sent_in_circle)
        return self._memory[1]

    async def _note_up(self, line: Line) -> None:
        """Once when it is made, and again when a session that was given up is heard after all."""
        transport = line.client.transport
        detail = SENT_IN_CIRCLE if self._goes_in_circle else line.client.peer
        if self._noted != (SessionState.UP, transport, detail):
            await self._note(SessionState.UP, transport=transport, detail=detail)

    def _sent_in_circle(self, _from: str, _to: str) -> None:
        self._goes_in_circle = True
        self._changed.set()

    async def _note(self, state: SessionState, *, transport: str = "", detail: str = "") -> None:
        self._noted = state, transport, detail
        await self._exchange.until_done(
            sessions.record_session,
            subscription_id=self.subscription_id,
            owner=self._owner,
            state=state,
            transport=transport,
            detail=detail,
            now=clock.now(),
        )

    async def _stop(self) -> None:
        lines = list(self._lines)
        for task in lines:
            task.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_NOTE_S):
                await self._note(SessionState.CONNECTING)
        except SessionClosed:
            return  # it is another worker's to tell
        except TimeoutError:
            logger.warning("subscription %s: its end was not written down", self.subscription_id)


def _time() -> float:
    return asyncio.get_running_loop().time()
