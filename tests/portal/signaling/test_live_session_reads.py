"""When a live session reads rows: before an action, and after what changes more than numbers."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pytest
from django.utils import timezone

from dots_client import (
    ConflictCause,
    ConflictInformation,
    MitigationReport,
    MitigationStatus,
)
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.states import Status
from portal.signaling.actions.next_action import Action
from portal.signaling.sessions.live_session import DATABASE_PAUSE_S, FRESH_S, RECHECK_S
from tests.portal.signaling.live_sessions import (
    PolledProvider,
    Rows,
    Session,
    SilentAboutStatus,
    SlowProvider,
    mitigating,
    running,
    said,
    session_of,
)
from tests.portal.signaling.virtual_time import pass_time, virtual_time


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


@virtual_time
async def test_a_new_status_causes_a_read_of_the_rows_and_new_numbers_do_not() -> None:
    session, actions = Session(), SlowProvider()
    actions.may_write.set()
    rows = Rows(mitigating())
    async with running(session_of(session, actions, threads=rows)):
        await pass_time(1)
        reads = rows.reads
        session.reports.put_nowait(said(MitigationStatus.MITIGATING, 7))
        await pass_time(1)
        assert (rows.reads, len(actions.written)) == (reads, 1)

        session.reports.put_nowait(said(MitigationStatus.EXCEEDED_CAPABILITY, 7))
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
