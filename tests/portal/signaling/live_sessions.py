"""A live session without a database or a network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from django.db import OperationalError
from django.utils import timezone

from dots_client import (
    Client,
    DotsError,
    MitigationReport,
    MitigationStatus,
)
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Status
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import POLL_AFTER, Action
from portal.signaling.actions.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_recorder import WireRecorder
from portal.signaling.leasing import database_clock
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.mapping import provider_report
from portal.signaling.reports.status_reports import PollResult, StatusReports
from portal.signaling.sessions.live_session import LiveSession
from portal.signaling.store.fenced_store import FencedStore


class Session:
    """Gives the reports that are put into it."""

    mitigating = False

    def __init__(self) -> None:
        self.reports: asyncio.Queue[MitigationReport] = asyncio.Queue()
        self.last_heard_at = float("inf")

    async def closed(self) -> DotsError:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    @asynccontextmanager
    async def observe(self, _mid: int) -> AsyncIterator[AsyncIterator[MitigationReport]]:
        async def reports() -> AsyncIterator[MitigationReport]:
            while True:
                yield await self.reports.get()

        yield reports()


class NoActivity:
    """Saves nothing."""

    async def save(self, *, heard_s: float) -> None:
        pass


class SlowProvider:
    """Accepts everything, and writes only when it may."""

    def __init__(self) -> None:
        self.activity = NoActivity()
        self.store: FencedStore
        self.may_write = asyncio.Event()
        self.written: list[MitigationReport] = []
        self.is_full = False

    def has_room(self, _row: Mitigation) -> bool:
        return not self.is_full

    async def perform(self, _client: object, _row: Mitigation, _action: Action) -> bool:
        return True

    async def put(
        self,
        _row: Mitigation,
        report: MitigationReport,
        *,
        on_saved: Callable[[ProviderReport, datetime], None],
    ) -> None:
        await self.may_write.wait()
        self.written.append(report)
        if self.is_full:
            return
        on_saved(provider_report(report), database_clock.now())


class Rows:
    """Counts how often they are read."""

    def __init__(self, *rows: Mitigation) -> None:
        self.rows = list(rows)
        self.reads = 0
        self.is_away = False

    async def run_first(self, _call: Callable[..., Any], *_args: object) -> list[Mitigation]:
        self.reads += 1
        if self.is_away:
            raise OperationalError
        return self.rows


class PolledProvider(SlowProvider):
    """Counts the polls of each mid, and answers them, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error
        self.polls: Counter[int] = Counter()
        self.listed: tuple[Mitigation, ...] = ()

    def has_unsaved(self, _mitigation_id: UUID) -> bool:
        return False

    async def poll(self, _client: Client, row: Mitigation) -> PollResult:
        self.polls[row.mid] += 1
        if self._error:
            raise self._error
        return PollResult(statuses={row.pk: row.dots_status}, has_news=False)

    async def poll_all(self, _client: Client, _rows: Sequence[Mitigation]) -> PollResult:
        return PollResult(statuses={row.pk: row.dots_status for row in self.listed}, has_news=False)


class Unwatched:
    """Does not look for unknown mitigations."""

    def wake(self) -> None:
        pass

    async def run(self) -> None:
        pass


def session_of(
    session: Session,
    actions: SlowProvider,
    *rows: Mitigation,
    threads: Rows | None = None,
    after: LiveSession | None = None,
) -> LiveSession:
    """`after`: an earlier session of the same worker, with the same mitigations in memory."""
    threads = threads or Rows(*rows)
    subscription_id = uuid4() if after is None else after.owned.subscription_id
    for row in threads.rows:
        row.subscription_id = subscription_id
    book = Book(cast(DatabaseThreads, threads)) if after is None else after.book
    actions.store = FencedStore(
        subscription_id=subscription_id,
        owner="me",
        threads=cast(DatabaseThreads, threads),
        fence=LeaseFence(asked_at=boottime()),
    )
    return LiveSession(
        cast(Client, session),
        cast(MitigationActions, actions),
        cast(StatusReports, actions),
        book,
        book.open(subscription_id) if after is None else after.owned,
        settings=cast(ConnectionSettings, None),
        opened_at=timezone.now(),
        recorder=cast(WireRecorder, SimpleNamespace(keeps_heartbeats=False)),
        unknown=cast(UnknownMitigationWatch, Unwatched()),
        on_recovered=lambda: None,
    )


async def reconcile(live_session: LiveSession) -> float:
    """Read all rows and do what is due. Returns seconds until more is due."""
    live_session.owned.changed()
    await live_session.book.read(live_session.owned)
    return live_session.check()


def withdrawn(mid: int) -> Mitigation:
    """Withdrawn by its provider a while ago: only a poll is due."""
    return Mitigation(
        pk=uuid4(), mid=mid, status=Status.WITHDRAWN, dots_status=7, request=MitigationRequest(),
        asked_at=timezone.now() - 2 * POLL_AFTER,
    )  # fmt: skip


class SilentAboutStatus(PolledProvider):
    """Answers everything except polls."""

    def __init__(self) -> None:
        super().__init__()
        self.performed: list[Action] = []

    async def poll(self, _client: Client, row: Mitigation) -> PollResult:
        self.polls[row.mid] += 1
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def perform(self, _client: object, _row: Mitigation, action: Action) -> bool:
        row = _row
        self.performed.append(action)
        row.refreshed_at = row.last_heard_at = database_clock.now()
        row.expires_at = row.refreshed_at + timedelta(seconds=row.lifetime_s)
        return True


@asynccontextmanager
async def running(live_session: LiveSession) -> AsyncIterator[None]:
    task = asyncio.create_task(live_session.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def mitigating(*, heard_s: float = 0.0) -> Mitigation:
    """Refreshed just now; the provider last reported on it `heard_s` ago."""
    now = timezone.now()
    return Mitigation(
        pk=uuid4(), mid=1, status=Status.MITIGATING, dots_status=2, request=MitigationRequest(),
        asked_at=now, confirmed_at=now, refreshed_at=now,
        last_heard_at=now - timedelta(seconds=heard_s),
    )  # fmt: skip


def said(status: MitigationStatus, bytes_dropped: int) -> MitigationReport:
    return MitigationReport(mid=1, status=status, bytes_dropped=bytes_dropped)
