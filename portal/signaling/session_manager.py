"""Keeps one subscription's session: connects, replaces it with a better one, waits between attempts as the RFC says."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final
from uuid import UUID

from dots_client import (
    Client,
    ClientSettings,
    CountedLog,
    Memory,
    NotFollowed,
    Reconnect,
    Server,
    WireRecord,
    connect,
)
from portal.mitigations import queries
from portal.providers.models import SessionState
from portal.signaling import database_clock, session_status
from portal.signaling.async_events import wait_for_any
from portal.signaling.changed_settings import READ_AGAIN_S, ChangedSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.identity import Identity, changed, load_identity
from portal.signaling.lease_fence import LeaseFence
from portal.signaling.leases import SavedAt
from portal.signaling.live_session import LiveSession, is_under_attack
from portal.signaling.mitigation_actions import MitigationActions
from portal.signaling.session_attempt import OpenSession, SessionAttempt
from portal.signaling.session_check import check_session
from portal.signaling.session_failures import failure_text, is_our_failure
from portal.signaling.session_status import SessionStatus, SessionStatusWriter
from portal.signaling.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.wire_recorder import WireRecorder

logger = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Without a session that answers, a new request shortens the wait for the next attempt within this time."""
PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 30.0
"""Between attempts after failures of our own; doubled each time."""
STOP_NOTE_S: Final = 2.0


class SessionManager:
    """Owns the session of one subscription for as long as `run` runs."""

    def __init__(
        self,
        *,
        subscription_id: UUID,
        owner: str,
        threads: DatabaseThreads,
        recorder: WireRecorder,
        settings: ClientSettings,
        fence: LeaseFence,
    ) -> None:
        self.subscription_id = subscription_id
        self._name = f"subscription {subscription_id}"
        self._log = CountedLog(logger, subject=self._name)
        "equal lines have the same reason, so a new reason is logged at once"
        self._owner = owner
        self._threads = threads
        self._recorder = recorder
        self._settings = settings
        self._may_send = fence.is_open
        self._mitigation_actions = MitigationActions(
            subscription_id=subscription_id,
            owner=owner,
            threads=threads,
            fence=fence,
            on_cuid_replaced=self._reopen,
        )
        self._row = SessionStatusWriter(self._write)
        self._session: OpenSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        "one for each session that is up or being opened"
        self._changed = asyncio.Event()
        self._reconnect = _new_reconnect()
        self._memories: dict[Server, Memory] = {}
        self._not_followed: NotFollowed | None = None
        self._changeover = ChangedSettings(_new_reconnect)
        self._failures = 0

    @property
    def is_connected(self) -> bool:
        return self._session is not None

    @property
    def is_idle(self) -> bool:
        """Nothing is asked of the provider."""
        return self._session is None or self._session.live_session.is_idle

    def wake(self) -> None:
        """Rows may have changed."""
        self._changed.set()
        if self._session:
            self._session.live_session.wake()

    def settings_saved(self, at: SavedAt) -> None:
        """Note when staff last saved the settings: changed settings are tried at once."""
        if self._changeover.saved(at):
            self._changed.set()

    def _reopen(self) -> None:
        if self._session:
            self._session.live_session.retire()

    async def run(self) -> None:
        """Run until cancelled or until another worker takes over; then close the session and update the row.

        An exception in or around a session costs that session at most.
        """
        self._row.tell(SessionStatus(state=SessionState.CONNECTING))
        telling = asyncio.create_task(self._row.run())
        try:
            while self._may_send():
                try:
                    await self._go_on()
                except Exception as error:
                    # The outermost loop of a subscription: only it can start over after a defect.
                    self._failed(error)
        finally:
            await self._stop(telling)

    async def _go_on(self) -> None:
        if self._failures:
            await asyncio.sleep(min(PAUSE_S * 2.0 ** min(self._failures - 1, 16), MAX_PAUSE_S))
        if self._session is None:
            await self._connect_when_due()
        else:
            await self._guard(self._session)
        self._failures = 0

    def _failed(self, error: Exception) -> None:
        if not self._may_send():
            return  # another worker holds the subscription
        self._failures += 1
        self._log.error(f"{self._name}: its keeper failed: {type(error).__name__}", exc_info=error)
        if self._session is None:
            self._row.tell(SessionStatus(state=SessionState.CONNECTING, detail=failure_text(error)))

    async def _connect_when_due(self) -> None:
        """Wait for the time of the next attempt; a new request or changed settings end the wait early."""
        while True:
            self._changed.clear()
            await self._read_settings_when_due()
            rows = await self._mitigation_actions.until_done(
                queries.live_mitigations, self.subscription_id
            )
            self._recorder.keeps_heartbeats = bool(rows)
            is_wanted = any(is_under_attack(row) for row in rows)
            due_at = self._reconnect.next_attempt_at(now=_time(), is_under_attack=is_wanted)
            delay_s = due_at - _time()
            if delay_s <= 0:
                break
            await wait_for_any(self._changed, within_s=delay_s if rows else min(delay_s, LOOK_S))
        await self._attempt(is_wanted=is_wanted)

    async def _guard(self, session: OpenSession) -> None:
        """Return when the session ends. Meanwhile try another beside it when it is silent, when a better one is possible
        (redirection, the way back, UDP instead of TCP), or when its settings changed; the first that works stays.
        """
        live_session, client = session.live_session, session.live_session.client
        while self._session is session:
            self._changed.clear()
            await self._read_settings_when_due()
            if client.should_move.is_set():
                client.should_move.clear()
                self._log.info(f"{self._name}: moving")
                await self._attempt(is_wanted=client.mitigating)
                continue
            now = _time()
            due_in_s = self._changeover.next_read_at() - now
            if live_session.is_suspect.is_set():
                due_at = self._reconnect.next_attempt_at(now=now, is_under_attack=True)
                if due_at <= now:
                    self._log.info(f"{self._name}: silent, trying a new session")
                    await self._attempt(is_wanted=True, suspect=live_session)
                    continue
                due_in_s = min(due_at - now, LOOK_S)
            else:
                self._reconnect.succeeded(now=now)
            if self._changeover.pending is not None:
                due_at = self._changeover.reconnect.next_attempt_at(
                    now=now, is_under_attack=client.mitigating
                )
                if due_at <= now:
                    self._log.info(f"{self._name}: its settings changed")
                    await self._attempt(is_wanted=client.mitigating)
                    continue
                due_in_s = min(due_in_s, due_at - now)
            client.heartbeat_refusal_changed.clear()
            self._tell_up(session)
            events = [self._changed, client.should_move, client.heartbeat_refusal_changed]
            if not live_session.is_suspect.is_set():
                events.append(live_session.is_suspect)
            await wait_for_any(*events, within_s=due_in_s)

    async def _read_settings_when_due(self) -> None:
        if self._changeover.is_to_read(now=_time()):
            await self._read_settings()

    async def _read_settings(self) -> Identity:
        """The settings for the next session. Changed settings are tried at once."""
        self._changeover.begins_to_read(now=_time())
        wanted = await self._mitigation_actions.until_done(load_identity, self.subscription_id)
        if self._changeover.read(wanted):
            self._reconnect = _new_reconnect()
        self._changeover.compare(None if self._session is None else self._session.identity)
        return wanted

    async def _attempt(self, *, is_wanted: bool, suspect: LiveSession | None = None) -> None:
        """Try to open a session, which then runs in its own task.

        Stop trying when `suspect`, the session to replace, is heard after all (SC-095), or when the settings change.
        """
        attempt = SessionAttempt(await self._read_settings(), is_wanted)
        for reconnect in (self._reconnect, self._changeover.reconnect):
            reconnect.attempted(now=_time())
        memory = self._memory_of(attempt.identity.server)
        was_redirected = memory.is_redirected
        task = asyncio.create_task(self._hold(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        try:
            while not (attempt.has_opened.is_set() or task.done()):
                self._changed.clear()
                await self._read_settings_when_due()
                if self._is_needless(attempt, suspect):
                    return
                await wait_for_any(attempt.has_opened, self._changed, within_s=READ_AGAIN_S)
        finally:
            if not attempt.has_opened.is_set():
                task.cancel()
        if attempt.has_opened.is_set():
            self._reconnect.succeeded(now=_time())
            return
        self._not_opened(attempt)
        if self._session is None and was_redirected and not memory.is_redirected:
            # The alternate server failed: return to the provisioned one.
            self._reconnect = _new_reconnect()

    def _is_needless(self, attempt: SessionAttempt, suspect: LiveSession | None) -> bool:
        if attempt.has_opened.is_set():
            return False
        is_heard = suspect is not None and not suspect.is_suspect.is_set()
        return is_heard or self._changeover.is_outdated(attempt.identity)

    def _not_opened(self, attempt: SessionAttempt) -> None:
        failure, session = attempt.failure, self._session
        words = failure_text(failure)
        self._log.warning(f"{self._name}: no session: {words}")
        self._changeover.failed(words, at=database_clock.now())
        if session is not None and not session.live_session.is_suspect.is_set():
            self._tell_up(session)
        elif is_our_failure(failure):
            self._row.tell(SessionStatus(state=SessionState.CONNECTING, detail=words))
        else:
            self._row.tell(SessionStatus(state=SessionState.DOWN, detail=words))

    async def _hold(self, attempt: SessionAttempt) -> None:
        """One session from its handshake to its end. An exception is one way for it to end."""
        session: OpenSession | None = None
        try:
            async with connect(
                attempt.identity.server,
                attempt.identity.credentials,
                cuid=attempt.identity.cuid,
                settings=self._settings,
                on_wire=self._see,
                memory=self._memory_of(attempt.identity.server),
                is_under_attack=attempt.is_wanted,
                may_send=self._may_send,
            ) as client:
                running = self._session
                if running is not None and changed(running.identity, attempt.identity):
                    await check_session(client, running.is_over, running.live_session.is_suspect)
                session = self._adopt(client, attempt)
                self._over(session, await session.live_session.run())
        except Exception as error:
            # Whatever ended the session, the row must say so and the next attempt must follow.
            attempt.failure = error
            if is_our_failure(error):
                crash = f"{self._name}: the session crashed: {type(error).__name__}"
                self._log.exception(crash)
            self._over(session, error)
        finally:
            self._over(session, None)

    def _adopt(self, client: Client, attempt: SessionAttempt) -> OpenSession:
        """Make this the present session and close the one before."""
        live_session = LiveSession(
            client,
            self._mitigation_actions,
            self._threads,
            recorder=self._recorder,
            unknown=UnknownMitigationWatch(client, self._mitigation_actions),
            on_recovered=self._changed.set,
        )
        before = self._session
        session = self._session = OpenSession(live_session, attempt.identity, database_clock.now())
        self._not_followed = None
        self._changeover.compare(session.identity)
        if before is not None:
            before.live_session.retire()
        self._tell_up(session)
        attempt.has_opened.set()
        return session

    def _over(self, session: OpenSession | None, reason: Exception | None) -> None:
        """Report the end at once, before the slow close; report nothing for a session that was replaced."""
        if session is None:
            return
        session.is_over.set()
        if self._session is session:
            self._session = None
            self._changeover.compare(None)
            words = failure_text(reason) if reason else ""
            self._log.warning(f"{self._name}: session over: {words}")
            self._row.tell(SessionStatus(state=SessionState.CONNECTING, detail=words))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    def _see(self, record: WireRecord) -> None:
        """What a closed gate keeps back was not sent."""
        if record.direction == "received" or self._may_send():
            self._recorder.see(record)

    def _memory_of(self, server: Server) -> Memory:
        """What earlier sessions learned, valid while the provider's row is unchanged or a session with it is up."""
        memory = self._memories.get(server) or Memory(on_not_followed=self._ignored)
        kept = {server: memory}
        if self._session is not None and self._session.identity.server in self._memories:
            in_use = self._session.identity.server
            kept[in_use] = self._memories[in_use]
        self._memories = kept
        return memory

    # The row

    def _tell_up(self, session: OpenSession) -> None:
        client = session.live_session.client
        self._row.tell(
            SessionStatus(
                state=SessionState.UP,
                transport=client.transport,
                detail=client.peer,
                opened_at=session.opened_at,
                refusal=client.heartbeat_refusal.code if client.heartbeat_refusal else "",
                not_followed=self._not_followed.value if self._not_followed else "",
                pending_change=self._changeover.pending,
            )
        )

    def _ignored(self, why: NotFollowed) -> None:
        self._not_followed = why
        self._changed.set()

    async def _write(self, known: SessionStatus) -> None:
        await self._mitigation_actions.until_done(
            session_status.record_session,
            subscription_id=self.subscription_id,
            owner=self._owner,
            state=known.state,
            transport=known.transport,
            detail=known.detail,
            opened_at=known.opened_at,
            refusal=known.refusal,
            not_followed=known.not_followed,
            pending_change=known.pending_change,
            now=database_clock.now(),
        )

    async def _stop(self, telling: asyncio.Task[None]) -> None:
        try:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._may_send():  # else the row is another worker's to write
                self._row.tell(SessionStatus(state=SessionState.CONNECTING))
                async with asyncio.timeout(STOP_NOTE_S):
                    await self._row.is_true()
        except TimeoutError:
            self._log.warning(f"{self._name}: its end was not saved")
        finally:
            telling.cancel()
            self._log.close()


def _new_reconnect() -> Reconnect:
    return Reconnect(rng=random.SystemRandom())


def _time() -> float:
    return asyncio.get_running_loop().time()
