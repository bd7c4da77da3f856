"""Polls and notifications: the requests sent, and what is saved of the answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import cast
from uuid import uuid4

import pytest

from dots_client import (
    Client,
    MitigationReport,
    MitigationStatus,
    Refused,
)
from portal.mitigations.models import Mitigation
from portal.signaling.leasing import database_clock as signaling_clock
from portal.signaling.reports.report_queue import MAX_WAITING
from portal.signaling.reports.status_reports import MAX_CONCURRENT_POLLS, StatusReports
from tests.dots_client.transport.loopback import until
from tests.portal.signaling.recording_store import RecordingLedger, RecordingStore
from tests.portal.signaling.virtual_time import virtual_time

pytestmark = pytest.mark.sqlite


class Listing:
    """A session with a provider that lists `listed`, holds `held` as well, and knows
    nothing else.
    """

    def __init__(
        self,
        *,
        listed: tuple[int, ...] | None,
        held: tuple[int, ...] = (),
        refused_with: str = "4.04",
    ) -> None:
        self._listed = listed
        self._held = held
        self._refused_with = refused_with
        self.asked: list[int | None] = []

    async def statuses(self) -> tuple[MitigationReport, ...]:
        self.asked.append(None)
        if self._listed is None:
            raise Refused("4.05", "one at a time, please")
        return tuple(MitigationReport(mid=mid) for mid in self._listed)

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if mid not in self._held:
            raise Refused(self._refused_with, "")
        return MitigationReport(mid=mid)


@pytest.mark.rule("SC-053")
@pytest.mark.parametrize(
    ("listed", "reported"),
    [((1, 2, 3), {1, 2}), ((1,), {1}), (None, set())],
    ids=["all", "one is missing", "lists nothing"],
)
async def test_several_mitigations_share_one_poll(
    listed: tuple[int, ...] | None, reported: set[int]
) -> None:
    ledger, provider = RecordingLedger(), Listing(listed=listed)
    held = {mid: Mitigation(pk=uuid4(), mid=mid) for mid in (1, 2)}

    reports = StatusReports(RecordingStore(), ledger)
    found = await reports.poll_all(cast(Client, provider), list(held.values()))

    assert provider.asked == [None]
    assert found.statuses.keys() == {held[mid].pk for mid in reported}
    assert not found.absent
    assert [one.mitigation_id for one in ledger.reports] == [
        held[mid].pk for mid in sorted(reported)
    ]


class Hanging:
    """A provider that is slow to list."""

    async def statuses(self) -> tuple[MitigationReport, ...]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


@virtual_time
async def test_a_poll_of_all_gives_up_without_a_list() -> None:
    rows = [Mitigation(pk=uuid4(), mid=mid) for mid in (1, 2)]

    reports = StatusReports(RecordingStore(), RecordingLedger())
    assert not (await reports.poll_all(cast(Client, Hanging()), rows)).statuses


async def test_the_number_of_single_polls_at_once_is_limited() -> None:
    asked, may_answer = 0, asyncio.Event()

    class Slow:
        async def status(self, mid: int) -> MitigationReport:
            nonlocal asked
            asked += 1
            await may_answer.wait()
            return MitigationReport(mid=mid)

    reports = StatusReports(RecordingStore(), RecordingLedger())
    rows = [Mitigation(pk=uuid4(), mid=mid) for mid in range(MAX_CONCURRENT_POLLS + 5)]
    polls = [asyncio.create_task(reports.poll(cast(Client, Slow()), row)) for row in rows]
    await until(lambda: asked == MAX_CONCURRENT_POLLS)
    await asyncio.sleep(0)
    assert asked == MAX_CONCURRENT_POLLS

    may_answer.set()

    assert [list(polled.statuses) for polled in await asyncio.gather(*polls)] == [
        [row.pk] for row in rows
    ]


async def test_an_unknown_mitigation_is_recorded_as_forgotten() -> None:
    store, row = RecordingStore(), Mitigation(pk=uuid4(), mid=1)

    reports = StatusReports(store, RecordingLedger())
    found = await reports.poll(cast(Client, Listing(listed=None)), row)

    assert not found.statuses
    assert found.absent == {row.pk}
    assert len(store.writes) == 1


async def test_an_answer_without_a_status_is_not_recorded_as_forgotten() -> None:
    store, row = RecordingStore(), Mitigation(pk=uuid4(), mid=1)

    with pytest.raises(Refused):
        await StatusReports(store, RecordingLedger()).poll(
            cast(Client, Listing(listed=None, refused_with="4.03")), row
        )

    assert store.writes == []


async def test_a_poll_that_only_repeats_the_rows_has_no_news() -> None:
    ledger, now = RecordingLedger(), signaling_clock.now()
    rows = [
        Mitigation(
            pk=uuid4(), mid=mid, status="in_progress", confirmed_at=now, last_heard_at=now,
            dots_status=1, expires_at=now + timedelta(seconds=600),
        )
        for mid in (1, 2, 3)
    ]  # fmt: skip
    listed = [
        MitigationReport(mid=mid, status=MitigationStatus(status), lifetime=600)
        for mid, status in ((1, 1), (2, 1), (3, 2))
    ]

    class Repeating:
        async def statuses(self) -> list[MitigationReport]:
            return listed

    reports = StatusReports(RecordingStore(), ledger)

    assert (await reports.poll_all(cast(Client, Repeating()), rows)).has_news
    assert len(ledger.reports) == 3
    listed.pop()
    assert not (await reports.poll_all(cast(Client, Repeating()), rows[:2])).has_news


async def test_a_poll_of_more_mitigations_than_may_wait_saves_them_all() -> None:
    store, ledger = RecordingStore(), RecordingLedger(saves_at_once=False)
    mids = tuple(range(1, MAX_WAITING + 501))
    provider, reports = Listing(listed=mids), StatusReports(store, ledger)
    rows = [Mitigation(pk=uuid4(), mid=mid, subscription_id=store.subscription_id) for mid in mids]

    polling = asyncio.create_task(reports.poll_all(cast(Client, provider), rows))
    await until(lambda: len(ledger.reports) == MAX_WAITING)
    assert not reports.has_room(rows[-1])
    assert not polling.done()
    ledger.save_all()
    await until(lambda: len(ledger.reports) == len(rows))
    ledger.save_all()

    assert len((await polling).statuses) == len(rows)
    assert [one.mitigation_id for one in ledger.reports] == [row.pk for row in rows]
    assert len({one.at for one in ledger.reports}) == 1


async def test_a_report_that_waits_to_be_saved_is_known() -> None:
    row, ledger = Mitigation(pk=uuid4(), mid=1), RecordingLedger(saves_at_once=False)
    reports = StatusReports(RecordingStore(), ledger)

    saving = asyncio.create_task(reports.save(row, MitigationReport(mid=1)))
    await until(lambda: reports.has_unsaved(row.pk))
    assert not saving.done()

    ledger.save_all()
    await saving
    assert not reports.has_unsaved(row.pk)


async def test_a_mitigation_is_forgotten_only_after_the_earlier_reports_are_saved() -> None:
    row, ledger, store = Mitigation(pk=uuid4(), mid=1), RecordingLedger(), RecordingStore()
    ledger.saves_at_once = False
    reports = StatusReports(store, ledger)
    await reports.put(row, MitigationReport(mid=1))

    polling = asyncio.create_task(reports.poll(cast(Client, Listing(listed=None)), row))
    await asyncio.sleep(0.01)
    assert store.writes == []

    ledger.save_all()
    assert (await polling).absent == {row.pk}
    assert len(store.writes) == 1
