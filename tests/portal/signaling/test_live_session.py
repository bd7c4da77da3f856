"""What a live session does with reports while the database is slow."""

from __future__ import annotations

import asyncio
import logging

import pytest

from dots_client import (
    MitigationStatus,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
)
from portal.mitigations.models import Mitigation
from portal.signaling.actions.next_action import POLL_AFTER, Action
from portal.signaling.actions.session_history import MIN_ACTION_INTERVAL_S
from portal.signaling.sessions.live_session import RECHECK_S
from portal.signaling.store.fenced_store import NotSaved
from tests.portal.signaling.live_sessions import (
    PolledProvider,
    Rows,
    Session,
    SilentAboutStatus,
    SlowProvider,
    mitigating,
    reconcile,
    running,
    said,
    session_of,
    withdrawn,
)
from tests.portal.signaling.virtual_time import pass_time, until, virtual_time

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


@virtual_time
async def test_a_due_renewal_interrupts_an_unanswered_poll() -> None:
    actions, row = SilentAboutStatus(), mitigating()
    row.lifetime_s = 60
    async with running(session_of(Session(), actions, row)):
        await until(lambda: actions.performed == [Action.REFRESH] and actions.polls[1] > 0)

        await until(lambda: actions.performed == [Action.REFRESH] * 2)


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
            session.reports.put_nowait(said(MitigationStatus.MITIGATING, 7))
        await pass_time(2)
        assert actions.polls == ({} if is_heard and not is_full else {1: 1})


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
