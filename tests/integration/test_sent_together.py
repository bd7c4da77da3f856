"""That many requests were sent is saved with one transaction, as each would be alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec, TypeVar

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from dots_client import SessionClosed
from portal.events.log import lock_log
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import Sent
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_writes import GroupedWrites
from tests.integration.test_conditional_writes import (
    LATER,
    OWNER,
    confirmations,
    held,
    held_by,
    history_of,
)
from tests.integration.test_simultaneous import together
from tests.portal.leased import lease_to
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.mitigations.rows import NOW, mitigations_of

pytestmark = pytest.mark.django_db

P = ParamSpec("P")
T = TypeVar("T")


def rows(submit: Submit, count: int) -> list[Mitigation]:
    return [mitigations_of(submit(strategy="failover"))[0] for _ in range(count)]


def save(*mitigations: Mitigation) -> set[object]:
    with transaction.atomic():
        return {*services.record_several_sent([Sent(one.pk, NOW) for one in mitigations])}


def sent_events(mitigation: Mitigation) -> int:
    type = EventType.MITIGATION_SENT
    return Event.objects.filter(mitigation_id=mitigation.pk, type=type).count()


def has_gaps() -> bool:
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    return seqs != list(range(1, len(seqs) + 1))


def test_saved_together_they_are_as_saved_alone(submit: Submit) -> None:
    alone, *others = rows(submit, 4)
    services.record_sent(mitigation_id=alone.pk, now=NOW)

    assert save(*others) == {one.pk for one in others}

    for one in others:
        assert history_of(one) == history_of(alone)
    assert not has_gaps()


def test_many_cost_as_many_statements_as_one(submit: Submit) -> None:
    first, *others = rows(submit, 12)
    with CaptureQueriesContext(connection) as of_one:
        save(first)
    with CaptureQueriesContext(connection) as of_all:
        save(*others)

    assert len(of_all) == len(of_one)
    assert sum("INSERT" in one["sql"] for one in of_all) == 1


def test_a_saved_one_is_not_saved_again(submit: Submit) -> None:
    first, second = rows(submit, 2)
    save(first)

    assert save(first, second, second) == {first.pk, second.pk}

    assert [sent_events(first), sent_events(second)] == [1, 1]
    assert not has_gaps()


def test_a_held_request_delays_no_other(submit: Submit) -> None:
    locked, free = rows(submit, 2)
    with held(locked.request_id):
        assert save(locked, free) == {free.pk}

    assert save(locked) == {locked.pk}


def test_a_held_log_is_left_out_and_counts_nothing(submit: Submit, acme: Organization) -> None:
    (row,) = rows(submit, 1)
    with held_by(lambda: lock_log(acme.pk)):
        assert save(row) == set()

    assert sent_events(row) == 0
    assert save(row) == {row.pk}
    assert not has_gaps()


def test_two_workers_at_the_same_moment_write_one_event(submit: Submit) -> None:
    several = rows(submit, 3)

    def alone() -> None:
        for one in several:
            services.record_sent(mitigation_id=one.pk, now=NOW)

    results = together(lambda: save(*several), lambda: save(*several), alone)

    assert not any(isinstance(one, Exception) for one in results), results
    assert [sent_events(one) for one in several] == [1, 1, 1]
    assert not has_gaps()


class CountingThreads(DatabaseThreads):
    """Counts the calls, each of which is one transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls.append(getattr(call, "func", call).__name__)
        return await super().run(call, *args, **kwargs)


def at_once(
    several: Sequence[Mitigation],
    record: Callable[[FencedStore, Mitigation], Awaitable[object]],
    *,
    fences: Sequence[LeaseFence] = (),
    owner: str = OWNER,
) -> tuple[list[object], list[str]]:
    """What `record` returns or raises for each, all at the same moment, and the transactions."""
    lease_to(owner, *Subscription.objects.all())

    async def record_all() -> tuple[list[object], list[str]]:
        threads = CountingThreads()
        grouped = GroupedWrites(threads)
        own = fences or [LeaseFence(asked_at=boottime()) for _ in several]
        stores = [
            FencedStore(
                subscription_id=row.subscription_id,
                owner=OWNER,
                threads=threads,
                fence=fence,
                grouped=grouped,
            )
            for row, fence in zip(several, own, strict=True)
        ]
        try:
            recording = map(record, stores, several)
            return await asyncio.gather(*recording, return_exceptions=True), threads.calls
        finally:
            threads.close()

    return asyncio.run(record_all())


def test_those_that_wait_at_the_same_moment_are_saved_with_one_transaction(submit: Submit) -> None:
    several = rows(submit, 5)

    _, transactions = at_once(several, lambda store, row: store.record_sent(row, NOW))

    assert transactions == ["_save"]
    assert [sent_events(one) for one in several] == [1] * 5


def test_confirmations_that_wait_at_the_same_moment_share_the_transaction(submit: Submit) -> None:
    silent, answered = rows(submit, 2)
    (answer,) = confirmations(answered)
    answered = Mitigation.objects.select_related("request").get(pk=answered.pk)

    async def record(store: FencedStore, row: Mitigation) -> object:
        if row is answered:
            return await store.record_confirmation(row, answer)
        await store.record_sent(row, NOW)
        return None

    results, transactions = at_once([silent, answered], record)

    assert (results, transactions) == ([None, True], ["_save"])
    assert [sent_events(silent), sent_events(answered)] == [1, 1]
    assert Mitigation.objects.get(pk=answered.pk).confirmed_at == LATER
    assert not has_gaps()


def test_one_that_cannot_be_saved_prevents_no_other(submit: Submit) -> None:
    broken, *others = rows(submit, 3)
    times = {broken.pk: NOW.replace(tzinfo=None)}

    results, _ = at_once(
        [broken, *others], lambda store, row: store.record_sent(row, times.get(row.pk, NOW))
    )

    assert isinstance(results[0], RuntimeWarning)
    assert results[1:] == [None, None]
    assert [sent_events(one) for one in (broken, *others)] == [0, 1, 1]
    assert not has_gaps()


def test_a_former_owner_saves_nothing(submit: Submit) -> None:
    several = rows(submit, 2)

    results, _ = at_once(
        several, lambda store, row: store.record_sent(row, NOW), owner="another worker"
    )

    assert [type(one) for one in results] == [SessionClosed, SessionClosed]
    assert [sent_events(one) for one in several] == [0, 0]


def test_a_session_that_lost_its_lease_prevents_no_other(submit: Submit) -> None:
    """Its own worker claimed the subscription again while the others waited."""
    late, owned = rows(submit, 2)
    ended, fence = LeaseFence(asked_at=boottime()), LeaseFence(asked_at=boottime())

    async def record(store: FencedStore, row: Mitigation) -> None:
        recording = asyncio.ensure_future(store.record_sent(row, NOW))
        await asyncio.sleep(0)
        ended.close()
        await recording

    results, _ = at_once([late, owned], record, fences=[ended, fence])

    assert [type(one) for one in results] == [SessionClosed, type(None)]
    assert [sent_events(late), sent_events(owned)] == [0, 1]
