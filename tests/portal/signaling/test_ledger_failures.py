"""No report is lost when the database is away, a batch crashes or a session is handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.metrics import LEDGER_FLUSH_REPORTS
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.reports import ledger
from tests.portal.signaling import test_ledger
from tests.portal.signaling.test_ledger import Reporter, assert_dense, db, row

pytestmark = pytest.mark.django_db(transaction=True)
acmes = test_ledger.acmes
globexs = test_ledger.globexs
hasty = test_ledger.hasty
reporter = test_ledger.reporter


class Unreliable(DatabaseThreads):
    """Fails as often as `failures` says, before or after it has written."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__()
        self.failures = failures

    async def run_first(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "before":
            raise OperationalError("the server is away")
        result = await super().run_first(call, *args, **kwargs)
        if failure == "after":
            raise OperationalError("the connection broke after the commit")
        return result


async def test_reports_wait_while_the_database_is_away_and_count_once(
    acmes: list[Mitigation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RETRY_S", 0.01)
    threads = Unreliable(["before", "after", "before"])
    reporter = Reporter(threads)
    reporter.report(acmes[0], 2, 5)
    reporter.report(acmes[1], 2, 6)

    assert await reporter.all_saved(acmes[0], acmes[1]) == [True, True]

    assert [(await row(one)).bytes_dropped for one in acmes[:2]] == [5, 6]
    reports = await db(lambda: Event.objects.filter(data__bytes_dropped=5).count())
    assert reports == 1
    await reporter.ledger.close()


async def test_a_defect_in_saving_numbers_together_loses_no_report(
    reporter: Reporter, acmes: list[Mitigation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> None:
        raise AttributeError("a defect")

    monkeypatch.setattr(ledger, "save_numbers", defect)
    for one in acmes:
        reporter.report(one, 2, 5)

    assert await reporter.all_saved(*acmes) == [True] * len(acmes)
    assert [(await row(one)).bytes_dropped for one in acmes] == [5] * len(acmes)


async def test_a_defect_after_saving_loses_no_report_of_another_session(
    reporter: Reporter,
    acmes: list[Mitigation],
    globexs: list[Mitigation],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def defect(*_: object) -> None:
        raise OverflowError

    for counted in (5, 6):
        for one in (*acmes, *globexs):
            on_saved = defect if one == acmes[0] else None
            reporter.report(one, 2, counted, on_saved=on_saved)
        assert await reporter.all_saved(*acmes, *globexs) == [True] * 7
        for one in (*acmes, *globexs):
            assert (await row(one)).bytes_dropped == counted
    assert sum("what follows from a report failed" in one.message for one in caplog.records) == 2


async def test_a_session_learns_what_was_saved_of_its_report_and_those_it_replaced(
    reporter: Reporter, acmes: list[Mitigation]
) -> None:
    reports: list[tuple[ProviderReport, datetime]] = []
    for earlier in (2, 4, 3, 4):
        reporter.report(acmes[0], earlier)
        await reporter.all_saved(acmes[0])

    # The new status is held, because the burst is used up.
    new: list[tuple[int | None, int]] = [(3, 3), (None, 4)]
    for status, counted in new:
        reporter.report(acmes[0], status, counted, on_saved=lambda *one: reports.append(one))
    await reporter.all_saved(acmes[0])

    [(saved, at)] = reports
    assert (saved.dots_status, saved.bytes_dropped) == (3, 4)
    assert (await row(acmes[0])).last_heard_at == at


async def test_a_crash_in_the_middle_of_a_batch_loses_none_of_its_reports(
    reporter: Reporter, acmes: list[Mitigation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RETRY_S", 0.01)
    observe = LEDGER_FLUSH_REPORTS.observe
    crashes = [RuntimeError("a defect")]

    def crash_once(amount: float) -> None:
        if crashes:
            raise crashes.pop()
        observe(amount)

    monkeypatch.setattr(LEDGER_FLUSH_REPORTS, "observe", crash_once)
    for one in acmes:
        reporter.report(one, 2, 5)

    assert await reporter.all_saved(*acmes) == [True] * len(acmes)
    assert [(await row(one)).bytes_dropped for one in acmes] == [5] * len(acmes)
    assert not crashes


async def test_nothing_is_saved_for_a_subscription_whose_fence_is_closed(
    reporter: Reporter, acmes: list[Mitigation]
) -> None:
    reporter.store(acmes[0])._fence.close()
    reporter.report(acmes[0], 2, 5)
    reporter.report(acmes[1], 4, 5)

    await reporter.all_saved(acmes[0], acmes[1])
    saved = [await row(one) for one in acmes[:2]]
    assert [(one.status, one.bytes_dropped) for one in saved] == [("mitigating", 1)] * 2
    assert reporter.saved == []


async def test_before_a_hand_over_the_waiting_reports_are_saved(
    reporter: Reporter, acmes: list[Mitigation]
) -> None:
    for counted in (5, 6):
        for one in acmes:
            reporter.report(one, 2, counted)
        await asyncio.sleep(0)

    await reporter.ledger.finish([acmes[0].subscription_id])

    assert [(await row(one)).bytes_dropped for one in acmes] == [6] * len(acmes)


async def test_two_workers_and_people_write_at_once_without_a_gap_between_events(
    threads: DatabaseThreads,
    acmes: list[Mitigation],
    globexs: list[Mitigation],
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "NUMBERS_EVERY_S", 0.0)
    workers = [Reporter(threads), Reporter(DatabaseThreads())]

    async def people() -> None:
        for lifetime_s in range(3600, 3620):
            for one in acmes:
                extend = partial(services.extend, request_id=one.request_id, lifetime_s=lifetime_s)
                await db(partial(extend, actor=Actor.person(alice)))

    acting = asyncio.create_task(people())
    counted = 10
    while not acting.done():
        for worker in workers:
            for one in (*acmes, *globexs):
                counted += 1
                worker.report(one, 2, counted)
        await asyncio.sleep(0.002)
    await acting
    for worker in workers:
        await worker.all_saved(*acmes, *globexs)

    await db(assert_dense)
    await workers[1].ledger.close()
