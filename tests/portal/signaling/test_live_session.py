"""What a live session does with reports while the database is slow."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from dots_client import (
    Client,
    ConflictCause,
    ConflictInformation,
    DotsError,
    MitigationReport,
    MitigationStatus,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Status
from portal.signaling import database_clock
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.fenced_store import FencedStore, NotSaved
from portal.signaling.lease_fence import LeaseFence, boottime
from portal.signaling.live_session import DATABASE_PAUSE_S, FRESH_S, RECHECK_S, LiveSession
from portal.signaling.mapping import provider_report
from portal.signaling.mitigation_actions import MitigationActions
from portal.signaling.next_action import POLL_AFTER, Action
from portal.signaling.session_history import MIN_ACTION_INTERVAL_S
from portal.signaling.status_reports import PollResult, StatusReports
from portal.signaling.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.wire_recorder import WireRecorder
from tests.portal.signaling.virtual_time import pass_time, until, virtual_time


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


UNUSABLE = (
    Refused("4.03"),
    ServerUnavailable("5.00"),
    RemoteProtocolError("the answer cannot be read"),
    TimeoutError(),
)


@pytest.mark.parametrize("error", UNUSABLE, ids=repr)
@virtual_time
async def test_a_provider_that_gives_no_status_is_not_polled_too_often(
    error: Exception,
) -> None:
    actions = PolledProvider(error)
    live_session = session_of(Session(), actions, withdrawn(1))

    for _ in range(3):
        due_s = await reconcile(live_session)
        await pass_time(0.01)

    assert actions.polls == {1: 1}
    assert due_s <= RECHECK_S


@pytest.mark.parametrize("error", [None, *UNUSABLE], ids=repr)
@virtual_time
async def test_a_mitigation_missing_from_a_list_is_polled_alone_without_delaying_others(
    error: Exception | None,
) -> None:
    actions = PolledProvider(error)
    rows = [withdrawn(mid) for mid in (1, 2, 3)]
    actions.listed = (rows[0], rows[2])
    live_session = session_of(Session(), actions, *rows)

    for _ in range(3):
        await reconcile(live_session)
        await pass_time(0.01)

    assert actions.polls == {2: 1}


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


@virtual_time
async def test_a_due_renewal_interrupts_an_unanswered_poll() -> None:
    actions, row = SilentAboutStatus(), mitigating()
    row.lifetime_s = 60
    async with running(session_of(Session(), actions, row)):
        await until(lambda: actions.performed == [Action.REFRESH] and actions.polls[1] > 0)

        await until(lambda: actions.performed == [Action.REFRESH] * 2)


@pytest.mark.parametrize("is_noted", [False, True], ids=["read", "noted"])
@pytest.mark.parametrize("age_s", [FRESH_S / 2, 29.0])
@virtual_time
async def test_no_action_begins_with_a_row_that_was_read_long_ago(
    age_s: float, *, is_noted: bool
) -> None:
    """Neither the read of an earlier session nor a poll without news makes it newer."""
    actions, row = SilentAboutStatus(), mitigating()
    row.lifetime_s = 3600
    rows = Rows(row)
    earlier = session_of(Session(), actions, threads=rows)
    await earlier.book.read(earlier.owned)
    live_session = session_of(Session(), actions, threads=rows, after=earlier)
    await pass_time(age_s)
    if is_noted:
        live_session.owned.take_changed()
        live_session.owned.noted(live_session.owned.rows.keys())
    is_fresh = age_s < FRESH_S

    live_session.check()
    await pass_time(0.01)
    assert actions.performed == ([Action.REFRESH] if is_fresh else [])
    assert live_session.owned.is_current == is_fresh

    await live_session.book.read(live_session.owned)
    live_session.check()
    await pass_time(0.01)
    assert actions.performed == [Action.REFRESH]


@virtual_time
async def test_a_row_that_was_read_for_this_check_is_fresh_however_slow_the_loop_is() -> None:
    actions, row = SilentAboutStatus(), mitigating()
    row.lifetime_s = 3600
    live_session = session_of(Session(), actions, row)
    await pass_time(29.0)
    await live_session.book.read(live_session.owned)
    await pass_time(2 * FRESH_S)

    live_session.check()
    await pass_time(0.01)

    assert actions.performed == [Action.REFRESH]


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


@virtual_time
async def test_rows_with_nothing_due_are_read_once() -> None:
    given_up = Mitigation(
        pk=uuid4(), mid=1, status=Status.REFUSED, wanted=Wanted.WITHDRAWN,
        request=MitigationRequest(), asked_at=timezone.now(),
    )  # fmt: skip
    rows = Rows(given_up)
    async with running(session_of(Session(), SlowProvider(), threads=rows)):
        await pass_time(20 * RECHECK_S)
        assert rows.reads == 1


@virtual_time
async def test_rows_are_read_soon_after_the_database_was_away() -> None:
    rows = Rows(mitigating())
    rows.is_away = True
    async with running(session_of(Session(), SlowProvider(), threads=rows)):
        await pass_time(5.5 * DATABASE_PAUSE_S)
        assert rows.reads == 6


@pytest.mark.parametrize(("is_heard", "is_full"), [(False, False), (True, False), (True, True)])
@virtual_time
async def test_a_due_poll_is_sent_in_time_unless_a_report_that_is_kept_was_heard(
    *, is_heard: bool, is_full: bool
) -> None:
    session, actions = Session(), PolledProvider()
    actions.is_full = is_full
    actions.may_write.set()
    rows = Rows(mitigating(heard_s=POLL_AFTER.total_seconds() - 5))
    async with running(session_of(session, actions, threads=rows)):
        await pass_time(4)
        if is_heard:
            session.reports.put_nowait(_said(MitigationStatus.MITIGATING, 7))
        await pass_time(2)
        assert actions.polls == ({} if is_heard and not is_full else {1: 1})


@virtual_time
async def test_a_new_status_causes_a_read_of_the_rows_and_new_numbers_do_not() -> None:
    session, actions = Session(), SlowProvider()
    actions.may_write.set()
    rows = Rows(mitigating())
    async with running(session_of(session, actions, threads=rows)):
        await pass_time(1)
        reads = rows.reads
        session.reports.put_nowait(_said(MitigationStatus.MITIGATING, 7))
        await pass_time(1)
        assert (rows.reads, len(actions.written)) == (reads, 1)

        session.reports.put_nowait(_said(MitigationStatus.EXCEEDED_CAPABILITY, 7))
        await pass_time(1)
        assert rows.reads == reads + 1


CONFLICT: Final = ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, retry_timer_s=60)


@pytest.mark.parametrize(
    ("report", "columns"),
    [
        (MitigationReport(mid=1, status=MitigationStatus.MITIGATING, conflict=CONFLICT), {}),
        (MitigationReport(mid=1, conflict=CONFLICT), {}),
        (MitigationReport(mid=1, status=MitigationStatus.MITIGATING), {"status": Status.PENDING}),
        (
            MitigationReport(mid=1, status=MitigationStatus.MITIGATING, mitigation_start=1_000),
            {"request": MitigationRequest(kind=RequestKind.STANDBY)},
        ),
        (MitigationReport(mid=1, status=77), {}),
    ],
    ids=["conflict", "conflict without status", "pending", "start of a plan", "unknown status"],
)
@virtual_time
async def test_a_report_that_changes_more_than_numbers_causes_a_read(
    report: MitigationReport, columns: dict[str, Any]
) -> None:
    """Although the provider reported the same status before."""
    session, actions, row = Session(), PolledProvider(), mitigating()
    actions.may_write.set()
    row.lifetime_s = 3600
    rows = Rows(row)
    async with running(session_of(session, actions, threads=rows)):
        await pass_time(1)
        for name, value in columns.items():
            setattr(row, name, value)
        reads = rows.reads
        session.reports.put_nowait(report)
        await pass_time(1)
        assert rows.reads > reads


def _said(status: MitigationStatus, bytes_dropped: int) -> MitigationReport:
    return MitigationReport(mid=1, status=status, bytes_dropped=bytes_dropped)


class DefectiveActions(PolledProvider):
    """Fails with an unforeseen defect."""

    def __init__(self) -> None:
        super().__init__(Refused("4.03"))
        self.performed = 0

    async def perform(self, _client: object, _row: Mitigation, _action: Action) -> bool:
        self.performed += 1
        raise KeyError("upper")


class UnsavableActions(SlowProvider):
    """Cannot save an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.performed = asyncio.Event()

    async def perform(self, _client: object, _row: Mitigation, _action: Action) -> bool:
        self.performed.set()
        raise NotSaved("the answer to EFFICACY")


@virtual_time
async def test_an_answer_that_was_not_saved_is_not_logged_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    actions = UnsavableActions()
    live_session = session_of(Session(), actions, mitigating())
    async with running(live_session):
        await actions.performed.wait()
        await until(lambda: not live_session.runner.tasks)

    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@virtual_time
async def test_a_defect_in_an_action_is_logged_and_retried_with_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    actions = DefectiveActions()
    async with running(session_of(Session(), actions, mitigating())):
        # With pauses of 3 s, 6 s, 12 s and 24 s the fifth is not due yet.
        await pass_time(MIN_ACTION_INTERVAL_S * (1 + 2 + 4 + 8) - 1)
        assert actions.performed == 4

    crashes = [one for one in caplog.records if "crashed" in one.message]
    assert len(crashes) == 4
    assert all(one.exc_info for one in crashes)
