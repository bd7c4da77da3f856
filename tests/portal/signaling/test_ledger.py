"""What providers report is saved, together or alone, whatever goes wrong with a part of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import pytest
from channels.db import database_sync_to_async
from django.db import connection

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.metrics import REGISTRY
from portal.events.models import Event, EventCounter
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import database_clock, leases
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.reports import ledger, numbers_flush, report_queue
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.session_report import SessionReport
from portal.signaling.store.fenced_store import FencedStore
from tests.factories import ResourceFactory
from tests.portal.leased import lease_to

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "me"
ACTIVE_WORDS = ("mitigating", "attack_stopped", "exceeded")
T = TypeVar("T")


async def db(call: Callable[[], T]) -> T:
    result: T = await database_sync_to_async(call)()
    return result


def said(status: int | None, counted: int | None = None) -> ProviderReport:
    return ProviderReport(
        dots_status=status,
        trigger=BY_DOTS_STATUS.get(status or 0),
        lifetime_s=3600,
        bytes_dropped=counted,
    )


def filtering(subscription: Subscription, user: User, prefix: str) -> Mitigation:
    submission = Submission(prefixes=(prefix,), subscriptions=(subscription.pk,))
    request = services.submit(
        organization=subscription.organization, actor=Actor.person(user), submission=submission
    )
    row, now = request.mitigations.get(), database_clock.now()
    services.record_sending(mitigation_id=row.pk, now=now)
    services.record_confirmed(mitigation_id=row.pk, lifetime_s=3600, asked_at=now, now=now)
    services.record_report(mitigation_id=row.pk, report=said(2, 1), now=now)
    return Mitigation.objects.select_related("request").get(pk=row.pk)


@pytest.fixture
def acmes(acme_northgate: Subscription, alice: User, shop: ProtectedResource) -> list[Mitigation]:
    """Northgate filters these for Acme."""
    lease_to(OWNER, *Subscription.objects.all())
    return [filtering(acme_northgate, alice, f"203.0.113.{one}/32") for one in (1, 2, 3, 4)]


@pytest.fixture
def globexs(
    globex: Organization, globex_northgate: Subscription, charlie: User
) -> list[Mitigation]:
    """Northgate filters these for Globex."""
    lease_to(OWNER, *Subscription.objects.all())
    ResourceFactory.create(organization=globex, name="Web", value="198.51.100.0/24")
    return [filtering(globex_northgate, charlie, f"198.51.100.{one}/32") for one in (1, 2, 3)]


class Reporter:
    """Sends reports as sessions do."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self.ledger = Ledger(threads)
        self.threads = threads
        self.saved: list[int] = []
        "the mids whose reports were saved, in order"
        self._stores: dict[Any, FencedStore] = {}

    def store(self, row: Mitigation) -> FencedStore:
        if row.subscription_id not in self._stores:
            self._stores[row.subscription_id] = FencedStore(
                subscription_id=row.subscription_id,
                owner=OWNER,
                threads=self.threads,
                fence=LeaseFence(asked_at=boottime()),
            )
        return self._stores[row.subscription_id]

    def report(
        self,
        row: Mitigation,
        status: int | None,
        counted: int | None = None,
        *,
        on_saved: Callable[[ProviderReport, datetime], None] | None = None,
    ) -> None:
        self.ledger.put(
            SessionReport(
                mitigation_id=row.pk,
                subscription_id=row.subscription_id,
                organization_id=row.organization_id,
                report=said(status, counted),
                at=database_clock.now(),
                row=row,
                store=self.store(row),
                on_saved=on_saved or (lambda *_: self.saved.append(row.mid)),
            )
        )

    async def all_saved(self, *rows: Mitigation) -> list[bool]:
        return await asyncio.gather(*(self.ledger.until_saved(row.pk) for row in rows))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits a second for the next transaction."""
    monkeypatch.setattr(ledger, "NUMBERS_EVERY_S", 0.1)


@pytest.fixture
def reporter(threads: DatabaseThreads) -> Reporter:
    return Reporter(threads)


async def row(mitigation: Mitigation) -> Mitigation:
    return await db(lambda: Mitigation.objects.get(pk=mitigation.pk))


def numbers_of_events() -> dict[Any, list[int]]:
    """The numbers of the events of each organization."""
    found: dict[Any, list[int]] = {}
    for organization, seq in Event.objects.order_by("seq").values_list("organization_id", "seq"):
        found.setdefault(organization, []).append(seq)
    return found


def assert_dense() -> None:
    for organization, numbers in numbers_of_events().items():
        assert numbers == list(range(1, len(numbers) + 1))
        assert EventCounter.objects.get(pk=organization).last_seq == numbers[-1]


def flushes() -> float:
    return REGISTRY.get_sample_value("portal_ledger_flush_reports_count") or 0.0


@pytest.mark.sqlite
async def test_numbers_of_all_organizations_are_saved_together_and_changes_are_decided(
    reporter: Reporter, acmes: list[Mitigation], globexs: list[Mitigation]
) -> None:
    before = flushes()
    for one in (*acmes, *globexs):
        reporter.report(one, 4 if one == acmes[0] else 2, 10 + one.mid)

    assert await reporter.all_saved(*acmes, *globexs) == [True] * 7

    assert flushes() == before + 1
    for one in (*acmes, *globexs):
        saved = await row(one)
        assert saved.status == ("exceeded" if one == acmes[0] else "mitigating")
        assert saved.bytes_dropped == 10 + one.mid
    assert len(reporter.saved) == 7
    await db(assert_dense)


async def test_a_first_report_that_changes_the_status_is_decided_without_a_transaction_of_numbers(
    reporter: Reporter, acmes: list[Mitigation]
) -> None:
    before = flushes()
    reporter.report(acmes[0], 4, 7)
    assert await reporter.all_saved(acmes[0]) == [True]

    assert flushes() == before
    assert (await row(acmes[0])).status == "exceeded"

    # The row in memory was outdated: what the row says decides.
    acmes[1].status = "pending"
    reporter.report(acmes[1], 2, 8)
    assert await reporter.all_saved(acmes[1]) == [True]
    assert ((await row(acmes[1])).status, (await row(acmes[1])).bytes_dropped) == ("mitigating", 8)


async def test_a_status_never_overtakes_or_is_overtaken(
    reporter: Reporter, acmes: list[Mitigation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_queue, "STATUS_EVERY_S", 0.0)
    monkeypatch.setattr(ledger, "NUMBERS_EVERY_S", 0.0)
    sent = []
    for counted in range(2, 40):
        status = 2 if counted % 6 < 3 else 4
        sent.append((status, counted))
        reporter.report(acmes[0], status, counted)
        await asyncio.sleep(0.004)
    await reporter.all_saved(acmes[0])

    events = await db(
        lambda: list(Event.objects.filter(mitigation_id=acmes[0].pk).order_by("seq").values())
    )
    counts = [one["data"]["bytes_dropped"] for one in events if "bytes_dropped" in one["data"]]
    assert counts == sorted(counts)
    statuses = [one["data"] for one in events if one["type"] == "mitigation.status"]
    assert all(one["status"] != one["previous"] for one in statuses)
    saved = await row(acmes[0])
    assert (saved.dots_status, saved.bytes_dropped) == sent[-1]


async def test_a_report_that_cannot_be_saved_is_saved_without_its_numbers_and_delays_no_other(
    reporter: Reporter,
    acmes: list[Mitigation],
    globexs: list[Mitigation],
    database_refuses: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await db(lambda: database_refuses("bytes_dropped = 666"))
    for one in (*acmes, *globexs):
        reporter.report(one, 2, 666 if one == acmes[1] else 777)

    await reporter.all_saved(*acmes, *globexs)

    for one in (*acmes, *globexs):
        saved = await row(one)
        assert saved.bytes_dropped == (1 if one == acmes[1] else 777)
        assert saved.last_heard_at is not None
        assert one.last_heard_at is not None
        assert saved.last_heard_at > one.last_heard_at
    assert any("without the provider's details" in one.message for one in caplog.records)
    await db(assert_dense)


async def test_a_lease_that_is_lost_in_the_middle_costs_only_its_own_reports(
    reporter: Reporter,
    acmes: list[Mitigation],
    globexs: list[Mitigation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # After both were put, and before the transaction that saves them.
    lost = [globexs[0].subscription_id]
    is_released = iter([False])
    save_numbers = numbers_flush.save_numbers

    def released_first(reports: Any) -> services.SavedNumbers:
        if not next(is_released, True):
            in_another_process(lambda: leases.release(OWNER, lost))
        return save_numbers(reports)

    monkeypatch.setattr(ledger, "save_numbers", released_first)
    for one in (*acmes, *globexs):
        reporter.report(one, 2, 9)

    saved = await reporter.all_saved(*acmes, *globexs)

    assert saved == [True] * len(acmes) + [False] * len(globexs)

    assert [(await row(one)).bytes_dropped for one in acmes] == [9] * len(acmes)
    assert [(await row(one)).bytes_dropped for one in globexs] == [1] * len(globexs)
    assert not reporter.store(globexs[0]).is_open
    assert sorted(reporter.saved) == sorted(one.mid for one in acmes)


def in_another_process(act: Callable[[], object]) -> None:
    """With another connection."""

    def run() -> None:
        act()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


async def test_the_last_status_of_a_flapping_mitigation_is_saved_and_the_log_says_so(
    reporter: Reporter,
    acmes: list[Mitigation],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(report_queue, "STATUS_EVERY_S", 0.3)
    monkeypatch.setattr(report_queue, "STATUS_BURST", 1)
    reporter.report(acmes[0], 2, 2)
    await reporter.all_saved(acmes[0])
    before = REGISTRY.get_sample_value(
        "portal_ledger_unsaved_reports_total", {"reason": "flapping"}
    )

    for status in (3, 4) * 10:
        reporter.report(acmes[0], status)
    await reporter.all_saved(acmes[0])

    assert (await row(acmes[0])).dots_status == 4
    changes = await db(
        lambda: Event.objects.filter(
            mitigation_id=acmes[0].pk, type="mitigation.status", data__previous__in=ACTIVE_WORDS
        ).count()
    )
    assert changes == 2
    lost = REGISTRY.get_sample_value("portal_ledger_unsaved_reports_total", {"reason": "flapping"})
    # A 3 that replaces a 4 is what is saved already; each 4 before it was lost.
    assert lost == (before or 0.0) + 9
    assert sum("flapping" in one.message for one in caplog.records) == 1
