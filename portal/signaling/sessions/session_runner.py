"""Open sessions for one subscription and run each to its end, in its own task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dots_client import (
    Client,
    ClientCache,
    ClientSettings,
    CountedLog,
    NotFollowed,
    Server,
    WireRecord,
    connect,
)
from portal.providers.models import SessionState
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings, changed
from portal.signaling.journal.wire_recorder import WireRecorder
from portal.signaling.leasing import database_clock
from portal.signaling.owned_mitigations import OwnedMitigations
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.sessions.changed_settings import ChangedSettings
from portal.signaling.sessions.live_session import LiveSession
from portal.signaling.sessions.session_check import check_session
from portal.signaling.sessions.session_failures import failure_text, fault_of, is_our_failure
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.session_status import SessionStatus
from portal.signaling.store.session_status_writer import SessionStatusWriter


@dataclass(slots=True, eq=False)
class SessionAttempt:
    """One race of handshakes, and the session that wins it."""

    settings: ConnectionSettings
    is_wanted: bool
    "a request waits for a session"
    has_opened: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    "why there is no session"


class SessionRunner:
    """`current` is the session in use.

    Calls `on_change` whenever a session or a redirection may change what to do next.
    """

    def __init__(
        self,
        store: FencedStore,
        book: Book,
        owned: OwnedMitigations,
        *,
        ledger: Ledger,
        recorder: WireRecorder,
        client_settings: ClientSettings,
        may_send: Callable[[], bool],
        status: SessionStatusWriter,
        changed_settings: ChangedSettings,
        on_change: Callable[[], None],
        log: CountedLog,
    ) -> None:
        self.current: LiveSession | None = None
        self._store = store
        self._book = book
        self._owned = owned
        self._actions = MitigationActions(store, on_cuid_replaced=self._reopen)
        self._reports = StatusReports(store, ledger)
        self._recorder = recorder
        self._client_settings = client_settings
        self._may_send = may_send
        self._status = status
        self._changed_settings = changed_settings
        self._on_change = on_change
        self._log = log
        self.tasks: set[asyncio.Task[None]] = set()
        "one for each session that is up or being opened"
        self._caches: dict[Server, ClientCache] = {}
        self._not_followed: NotFollowed | None = None

    def begin(self, attempt: SessionAttempt) -> asyncio.Task[None]:
        """Try to open a session.

        It replaces `current` once it is up; the task ends with the session.
        """
        task = asyncio.create_task(self._run(attempt))
        self.tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    async def close(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def report_up(self, session: LiveSession) -> None:
        client = session.client
        self._status.report(
            SessionStatus(
                state=SessionState.UP,
                transport=client.transport,
                detail=client.peer,
                opened_at=session.opened_at,
                refusal=client.heartbeat_refusal.code if client.heartbeat_refusal else "",
                not_followed=self._not_followed.value if self._not_followed else "",
                pending_change=self._changed_settings.pending,
            )
        )

    def cache_of(self, server: Server) -> ClientCache:
        """What earlier sessions learned; kept while the provider's row is unchanged or a session
        with it is up.
        """
        cache = self._caches.get(server) or ClientCache(on_not_followed=self._redirection_ignored)
        kept = {server: cache}
        if self.current is not None and self.current.settings.server in self._caches:
            in_use = self.current.settings.server
            kept[in_use] = self._caches[in_use]
        self._caches = kept
        return cache

    async def _run(self, attempt: SessionAttempt) -> None:
        """One session from its handshake to its end. An exception is one way for it to end."""
        session: LiveSession | None = None
        settings = attempt.settings
        try:
            async with connect(
                settings.server,
                settings.credentials,
                cuid=settings.cuid,
                settings=self._client_settings,
                on_wire=self._record,
                cache=self.cache_of(settings.server),
                is_under_attack=attempt.is_wanted,
                may_send=self._may_send,
            ) as client:
                running = self.current
                if running is not None and changed(running.settings, settings):
                    await check_session(client, running.is_over, running.is_suspect)
                session = self._use(client, settings)
                attempt.has_opened.set()
                self._ended(session, await session.run())
        except Exception as error:  # noqa: BLE001  logged below, or by who shows the failure
            # Whatever ended the session, the row must say so and the next attempt must follow.
            attempt.failure = error
            if is_our_failure(error):
                crash = f"{self._store.name()}: the session crashed: {type(error).__name__}"
                self._log.exception(crash)
            self._ended(session, error)
        finally:
            self._ended(session, None)

    def _use(self, client: Client, settings: ConnectionSettings) -> LiveSession:
        """Make this the current session and close the one before."""
        unknown = UnknownMitigationWatch(client, self._store)
        self._actions.put_request.on_mid_in_use = unknown.ask_again
        session = LiveSession(
            client,
            self._actions,
            self._reports,
            self._book,
            self._owned,
            settings=settings,
            opened_at=database_clock.now(),
            recorder=self._recorder,
            unknown=unknown,
            on_recovered=self._on_change,
        )
        before, self.current = self.current, session
        self._not_followed = None
        self._changed_settings.compare(settings)
        if before is not None:
            before.retire()
        self.report_up(session)
        return session

    def _ended(self, session: LiveSession | None, reason: Exception | None) -> None:
        """Report the end at once, before the slow close; report nothing for a session that was
        replaced.
        """
        if session is None:
            return
        session.is_over.set()
        if self.current is session:
            self.current = None
            self._changed_settings.compare(None)
            detail, fault = (failure_text(reason), fault_of(reason)) if reason else ("", None)
            self._log.warning(f"{self._store.name()}: session over: {detail or fault or ''}")
            self._status.report(
                SessionStatus(state=SessionState.CONNECTING, detail=detail, fault=fault)
            )

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._on_change()

    def _reopen(self) -> None:
        if self.current:
            self.current.retire()

    def _record(self, record: WireRecord) -> None:
        """Do not record what a closed fence held back: it was not sent."""
        if record.direction == "received" or self._may_send():
            self._recorder.tap(record)

    def _redirection_ignored(self, why: NotFollowed) -> None:
        self._not_followed = why
        self._on_change()
