"""A locked row or log is saved later and delays no other organization."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from portal.core.increment_returning import increment_returning
from portal.core.metrics import REGISTRY
from portal.events.models import Event, EventCounter
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling.leasing import database_clock
from portal.signaling.reports import ledger
from tests.dots_client.transport.loopback import until
from tests.portal.signaling import test_ledger
from tests.portal.signaling.test_ledger import Reporter, assert_dense, db, row

pytestmark = pytest.mark.django_db(transaction=True)
acmes = test_ledger.acmes
globexs = test_ledger.globexs
hasty = test_ledger.hasty
reporter = test_ledger.reporter


@contextmanager
def held(act: Callable[[], object]) -> Iterator[None]:
    """Another process has run `act` in a transaction that it has not committed."""
    has_acted, may_end = threading.Event(), threading.Event()

    def run() -> None:
        with transaction.atomic():
            act()
            has_acted.set()
            may_end.wait(10)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert has_acted.wait(10)
    try:
        yield
    finally:
        may_end.set()
        thread.join()


def _lock_row(one: Mitigation) -> None:
    list(Mitigation.objects.select_for_update().filter(pk=one.pk))


def _lock_log(one: Mitigation) -> None:
    increment_returning(EventCounter, one.organization_id, "last_seq", 0)


@pytest.mark.parametrize("lock", [_lock_row, _lock_log])
async def test_a_locked_row_or_log_is_saved_later_and_delays_no_other_organization(
    reporter: Reporter,
    acmes: list[Mitigation],
    globexs: list[Mitigation],
    lock: Callable[[Mitigation], None],
) -> None:
    one = globexs[0]
    with held(lambda: lock(one)):
        for other in (one, *acmes):
            reporter.report(other, 2, 5)
        assert await reporter.all_saved(*acmes) == [True] * len(acmes)
        assert reporter.ledger.has_unsaved(one.pk)
        assert (await row(one)).bytes_dropped == 1

    assert await reporter.all_saved(one) == [True]
    assert (await row(one)).bytes_dropped == 5
    await db(assert_dense)


async def test_copies_of_a_locked_row_are_left_to_be_counted_later(
    acmes: list[Mitigation],
) -> None:
    sends = {one.pk: 3 for one in acmes}
    with held(lambda: _lock_row(acmes[1])):
        locked = await db(partial(services.record_sends, sends=sends, now=database_clock.now()))

    assert locked == {acmes[1].pk}
    more = [(await row(one)).sends - one.sends for one in acmes]
    assert more == [3, 0, 3, 3]


async def test_a_row_that_stays_locked_is_saved_alone_as_soon_as_it_is_free(
    reporter: Reporter, acmes: list[Mitigation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_LOCKED", 2)
    monkeypatch.setattr(ledger, "NUMBERS_EVERY_S", 0.001)
    decided = REGISTRY.get_sample_value("portal_ledger_decided_reports_total") or 0.0
    with held(lambda: _lock_row(acmes[0])):
        reporter.report(acmes[0], 2, 5)
        await until(
            lambda: (
                decided < (REGISTRY.get_sample_value("portal_ledger_decided_reports_total") or 0.0)
            )
        )

    assert await reporter.all_saved(acmes[0]) == [True]
    assert (await row(acmes[0])).bytes_dropped == 5


async def test_locked_rows_of_one_organization_delay_no_change_of_another(
    reporter: Reporter, acmes: list[Mitigation], globexs: list[Mitigation]
) -> None:
    def lock() -> None:
        for one in acmes:
            _lock_row(one)

    with held(lock):
        for one in (*acmes, *globexs):
            reporter.report(one, 4)

        assert await reporter.all_saved(*globexs) == [True] * len(globexs)

        assert [(await row(one)).status for one in globexs] == ["exceeded"] * len(globexs)
        assert all(reporter.ledger.has_unsaved(one.pk) for one in acmes)
    assert await reporter.all_saved(*acmes) == [True] * len(acmes)
    assert [(await row(one)).status for one in acmes] == ["exceeded"] * len(acmes)


@pytest.mark.parametrize("lock", [_lock_row, _lock_log])
async def test_a_report_that_cannot_be_decided_waits_for_no_lock_either(
    reporter: Reporter,
    acmes: list[Mitigation],
    lock: Callable[[Mitigation], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def defect(**_: Any) -> None:
        raise ValueError("a defect of ours")

    caplog.set_level("INFO")
    monkeypatch.setattr(services, "record_report", defect)
    with held(lambda: lock(acmes[0])):
        reporter.report(acmes[0], 4)
        await until(lambda: "a report waits for a lock" in caplog.text)
        assert (await row(acmes[0])).unsaved_at is None

    assert await reporter.all_saved(acmes[0]) == [True]
    assert (await row(acmes[0])).unsaved_at is not None
    assert await db(Event.objects.filter(mitigation_id=acmes[0].pk, data__why="unsaved").exists), (
        "its event is saved too"
    )
