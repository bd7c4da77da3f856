"""Keep one subscription's session up: decide when to try a new one, and wait between attempts as
the RFC says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from math import inf
from typing import Final
from uuid import UUID

from dots_client import ClientSettings, CountedLog, Reconnect, SessionClosed
from portal.core.log_ids import add_log_ids
from portal.providers.models import SessionState
from portal.signaling.async_events import loop_time, wait_for_any
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_recorder import WireRecorder
from portal.signaling.leasing import database_clock
from portal.signaling.leasing.lease_fence import LeaseFence
from portal.signaling.leasing.leases import SavedAt
from portal.signaling.reports.ledger import Ledger
from portal.signaling.sessions.changed_settings import ChangedSettings
from portal.signaling.sessions.live_session import LiveSession, is_under_attack
from portal.signaling.sessions.opening_turns import OpeningTurns, Turn
from portal.signaling.sessions.session_failures import failure_text, fault_of, is_our_failure
from portal.signaling.sessions.session_runner import SessionAttempt, SessionRunner
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_reads import GroupedReads
from portal.signaling.store.grouped_writes import GroupedWrites
from portal.signaling.store.session_status import SessionStatus
from portal.signaling.store.session_status_writer import SessionStatusWriter

logger = logging.getLogger(__name__)

NOTICE_WITHIN_S: Final = 1.0
"""Without a session that answers, a new request shortens the wait for the next attempt within this
time.
"""
PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 30.0
"""Between attempts after our own failures; doubled each time."""
LAST_STATUS_S: Final = 2.0
"""At the end, wait this long for the last status to be saved."""


class SessionManager:
    """Owns the session of one subscription for as long as `run` runs."""

    def __init__(
        self,
        *,
        subscription_id: UUID,
        owner: str,
        threads: DatabaseThreads,
        ledger: Ledger,
        book: Book,
        grouped: GroupedWrites,
        reads: GroupedReads,
        recorder: WireRecorder,
        turns: OpeningTurns,
        settings: ClientSettings,
        fence: LeaseFence,
    ) -> None:
        self.subscription_id = subscription_id
        self._may_send = fence.is_open
        self._book = book
        self._turns = turns
        self.owned = book.open(subscription_id)
        self._recorder = recorder
        self._store = FencedStore(
            subscription_id=subscription_id,
            owner=owner,
            threads=threads,
            fence=fence,
            grouped=grouped,
            reads=reads,
        )
        self._name = self._store.name()
        self._log = CountedLog(logger, subject=self._name)
        "counts equal lines; a new reason is a new line, logged at once"
        self._status = SessionStatusWriter(self._store)
        self._changed = asyncio.Event()
        self._reconnect = _new_reconnect()
        self._changed_settings = ChangedSettings(_new_reconnect)
        self._failures = 0
        self.runner = SessionRunner(
            self._store,
            book,
            self.owned,
            ledger=ledger,
            recorder=recorder,
            client_settings=settings,
            may_send=self._may_send,
            status=self._status,
            changed_settings=self._changed_settings,
            on_change=self._changed.set,
            log=self._log,
        )

    @property
    def session(self) -> LiveSession | None:
        """The session in use."""
        return self.runner.current

    @property
    def is_idle(self) -> bool:
        """No mitigation needs the session."""
        return self.session is None or self.session.is_idle

    def wake(self) -> None:
        """The book knows of changed rows."""
        session = self.session
        if session is not None:
            session.wake()
        if session is None or session.is_suspect.is_set():
            # A new request may shorten the wait for the next attempt.
            self._changed.set()

    def wake_unknown(self) -> None:
        """A person may have asked to withdraw an unknown mitigation."""
        if self.session:
            self.session.wake_unknown()

    def settings_saved(self, at: SavedAt) -> None:
        """Note when staff last saved the settings: changed settings are tried at once."""
        if self._changed_settings.saved(at):
            self._changed.set()

    def settings_found(self, fingerprint: int) -> None:
        """Note what the rows have: settings changed without being saved are tried at once too."""
        if self._changed_settings.found(fingerprint):
            self._changed.set()

    async def run(self) -> None:
        """Run until cancelled or until another worker takes over; then close the session and update
        the row.

        An exception in or around a session ends at most that session.
        """
        add_log_ids(subscription=self.subscription_id)
        self._status.report(SessionStatus(state=SessionState.CONNECTING))
        saving = asyncio.create_task(self._status.run())
        try:
            while self._may_send():
                try:
                    await self._connect_or_watch()
                except Exception as error:  # noqa: BLE001  `_failed` logs it
                    # The outermost loop of a subscription: only it can start over after a defect.
                    self._failed(error)
        finally:
            await self._stop(saving)

    async def _connect_or_watch(self) -> None:
        if self._failures:
            await asyncio.sleep(min(PAUSE_S * 2.0 ** min(self._failures - 1, 16), MAX_PAUSE_S))
        if self.session is None:
            await self._connect_when_due()
        else:
            await self._watch(self.session)
        self._failures = 0

    def _failed(self, error: Exception) -> None:
        if isinstance(error, SessionClosed) and not self._may_send():
            return  # another worker has the lease
        self._failures += 1
        crash = f"{self._name}: its session manager failed: {type(error).__name__}"
        self._log.error(crash, exc_info=error)
        if self.session is None:
            status = SessionStatus(
                state=SessionState.CONNECTING, detail=failure_text(error), fault=fault_of(error)
            )
            self._status.report(status)

    async def _connect_when_due(self) -> None:
        """Wait for the time of the next attempt, and in peacetime for its turn; a new request or
        changed settings end the wait early.
        """
        turn: Turn | None = None
        try:
            while True:
                self._changed.clear()
                await self._read_settings_when_due()
                await self._store.until_done(partial(self._book.read, self.owned))
                rows = self.owned.rows.values()
                self._recorder.keeps_heartbeats = bool(rows)
                is_wanted = any(is_under_attack(row) for row in rows)
                due_at = self._reconnect.next_attempt_at(now=loop_time(), is_under_attack=is_wanted)
                delay_s = due_at - loop_time()
                if delay_s > 0:
                    within_s = delay_s if rows else min(delay_s, NOTICE_WITHIN_S)
                    await wait_for_any(self._changed, within_s=within_s)
                    continue
                if is_wanted:
                    break
                turn = turn or self._turns.queue()
                if turn.has_come.is_set():
                    break
                await wait_for_any(self._changed, turn.has_come)
            await self._attempt(is_wanted=is_wanted)
        finally:
            if turn is not None:
                turn.end()

    async def _watch(self, session: LiveSession) -> None:
        """Return when the session ends. Meanwhile try another beside it when it is silent, when a
        better one is possible (redirection, the way back, UDP instead of TCP), or when its settings
        changed; the first that works stays.
        """
        client = session.client
        while self.session is session:
            self._changed.clear()
            await self._read_settings_when_due()
            if client.should_move.is_set():
                client.should_move.clear()
                self._log.info(f"{self._name}: moving")
                await self._attempt(is_wanted=client.mitigating)
                continue
            now = loop_time()
            if (silent_due_s := self._silent_due_s(session, now)) <= 0:
                self._log.info(f"{self._name}: silent, trying a new session")
                await self._attempt(is_wanted=True, suspect=session)
                continue
            if (settings_due_s := self._settings_due_s(session, now)) <= 0:
                self._log.info(f"{self._name}: its settings changed")
                await self._attempt(is_wanted=client.mitigating)
                continue
            client.heartbeat_refusal_changed.clear()
            self.runner.report_up(session)
            await self._until_change(session, min(silent_due_s, settings_due_s))

    def _silent_due_s(self, session: LiveSession, now: float) -> float:
        """In how many seconds to try a new session because this one is silent; infinite while it is
        not.
        """
        if not session.is_suspect.is_set():
            self._reconnect.succeeded(now=now)
            return inf
        return self._reconnect.next_attempt_at(now=now, is_under_attack=True) - now

    def _settings_due_s(self, session: LiveSession, now: float) -> float:
        """In how many seconds to try the changed settings; infinite when there are none."""
        if self._changed_settings.pending is None:
            return inf
        reconnect, is_under_attack = self._changed_settings.reconnect, session.client.mitigating
        return reconnect.next_attempt_at(now=now, is_under_attack=is_under_attack) - now

    async def _until_change(self, session: LiveSession, within_s: float) -> None:
        client = session.client
        events = [self._changed, client.should_move, client.heartbeat_refusal_changed]
        if session.is_suspect.is_set():
            within_s = min(within_s, NOTICE_WITHIN_S)
        else:
            events.append(session.is_suspect)
        await wait_for_any(*events, within_s=None if within_s == inf else within_s)

    async def _read_settings_when_due(self) -> None:
        if self._changed_settings.must_read:
            await self._read_settings()

    async def _read_settings(self) -> ConnectionSettings:
        """The settings for the next session. Changed settings are tried at once."""
        self._changed_settings.starts_reading()
        wanted = await self._store.load_settings()
        if wanted.organization_id is not None:
            add_log_ids(organization=wanted.organization_id)
        if self._changed_settings.read(wanted):
            self._reconnect = _new_reconnect()
        self._changed_settings.compare(None if self.session is None else self.session.settings)
        return wanted

    async def _attempt(self, *, is_wanted: bool, suspect: LiveSession | None = None) -> None:
        """Try to open a session, which then runs in its own task.

        Stop trying when `suspect`, the session to replace, is heard after all (SC-095), or when the
        settings change.
        """
        attempt = SessionAttempt(await self._read_settings(), is_wanted)
        for reconnect in (self._reconnect, self._changed_settings.reconnect):
            reconnect.attempted(now=loop_time())
        cache = self.runner.cache_of(attempt.settings.server)
        was_redirected = cache.is_redirected
        task = self.runner.begin(attempt)
        try:
            while not (attempt.has_opened.is_set() or task.done()):
                self._changed.clear()
                await self._read_settings_when_due()
                if self._is_needless(attempt, suspect):
                    return
                await wait_for_any(attempt.has_opened, self._changed)
        finally:
            if not attempt.has_opened.is_set():
                task.cancel()
        if attempt.has_opened.is_set():
            self._reconnect.succeeded(now=loop_time())
            return
        self._attempt_failed(attempt)
        if self.session is None and was_redirected and not cache.is_redirected:
            # The alternate server failed: return to the provisioned one.
            self._reconnect = _new_reconnect()

    def _is_needless(self, attempt: SessionAttempt, suspect: LiveSession | None) -> bool:
        if attempt.has_opened.is_set():
            return False
        is_heard = suspect is not None and not suspect.is_suspect.is_set()
        return is_heard or self._changed_settings.is_outdated(attempt.settings)

    def _attempt_failed(self, attempt: SessionAttempt) -> None:
        detail, fault = failure_text(attempt.failure), fault_of(attempt.failure)
        self._log.warning(f"{self._name}: no session: {detail or fault}")
        self._changed_settings.failed(detail, fault, at=database_clock.now())
        if self.session is not None and not self.session.is_suspect.is_set():
            self.runner.report_up(self.session)
            return
        state = SessionState.CONNECTING if is_our_failure(attempt.failure) else SessionState.DOWN
        self._status.report(SessionStatus(state=state, detail=detail, fault=fault))

    async def _stop(self, saving: asyncio.Task[None]) -> None:
        try:
            await self.runner.close()
            if self._may_send():  # else the row is another worker's to write
                self._status.report(SessionStatus(state=SessionState.CONNECTING))
                async with asyncio.timeout(LAST_STATUS_S):
                    await self._status.until_saved()
        except TimeoutError:
            self._log.warning(f"{self._name}: its end was not saved")
        finally:
            saving.cancel()
            self._book.close(self.owned)
            self._log.close()


def _new_reconnect() -> Reconnect:
    return Reconnect(rng=random.SystemRandom())
