"""Writes for many mitigations at once, while people and other processes write to their rows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from django.db import connection, transaction

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.log import lock_log
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services import Confirmation, Sending
from portal.mitigations.services.locks import lock_request
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.store.grouped_writes import GroupedWrites, Owned
from tests.integration.test_simultaneous import together
from tests.portal.leased import lease_to
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.mitigations.rows import NOW, mitigations_of

ROUNDS: Final = 15
OWNER: Final = "me"
LATER: Final = NOW + timedelta(seconds=2)
OWN: Final = ("id", "request_id", "mid", "version", "scope", "asked_at")
"""Columns in which two equal mitigations differ."""


def sendings(*mitigations: Mitigation) -> list[Sending]:
    rows = Mitigation.objects.filter(pk__in=[one.pk for one in mitigations])
    return [Sending(row.pk, row.version, NOW) for row in rows]


@contextmanager
def held_by(lock: Callable[[], object]) -> Iterator[None]:
    """Another transaction has taken these locks, as when a person acts."""
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                lock()
                is_held.set()
                may_end.wait()
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    try:
        yield
    finally:
        may_end.set()
        thread.join()


def held(request_id: UUID) -> AbstractContextManager[None]:
    """A write that waits for the request within it never ends."""
    return held_by(lambda: lock_request(request_id))


@pytest.mark.django_db
def test_a_held_row_delays_no_other_request(submit: Submit) -> None:
    held_request, free = submit(), submit()
    (held_row,), (free_row,) = mitigations_of(held_request), mitigations_of(free)
    both = sendings(held_row, free_row)
    with held(held_request.pk):
        assert services.record_sendings(both).keys() == {free_row.pk}

    assert services.record_sending(mitigation_id=held_row.pk, mid=held_row.mid, now=NOW)


@pytest.mark.django_db
def test_a_request_is_sent_or_ended_unsent_but_never_both(submit: Submit, dana: User) -> None:
    """A termination that commits before the sending prevents it. One that commits after it finds
    that a copy may have been sent, and withdraws it.
    """
    for _ in range(ROUNDS):
        requests = [submit(strategy="parallel") for _ in range(3)]
        rows = [row for request in requests for row in mitigations_of(request)]
        known = sendings(*rows)

        def send(known: list[Sending] = known) -> set[UUID]:
            return set(services.record_sendings(known))

        def end(request_id: UUID) -> object:
            return services.terminate(request_id=request_id, actor=Actor.person(dana))

        sent, *ended = together(send, *(lambda pk=one.pk: end(pk) for one in requests))

        assert isinstance(sent, set), sent
        assert not any(isinstance(one, Exception) for one in ended), ended
        for row in Mitigation.objects.filter(pk__in=[row.pk for row in rows]):
            assert (row.sent_at is not None) == (row.pk in sent)
            assert row.status == ("terminating" if row.pk in sent else "terminated")


def confirmations(*mitigations: Mitigation, is_sent_saved: bool = False) -> list[Confirmation]:
    """The answers to requests that are being sent, as a worker saves them."""
    services.record_sendings(sendings(*mitigations))
    rows = Mitigation.objects.filter(pk__in=[one.pk for one in mitigations]).order_by("mid")
    return [
        Confirmation(
            mitigation_id=row.pk,
            request_id=row.request_id,
            subscription_id=row.subscription_id,
            version=row.version,
            asked_at=NOW,
            sent_at=None if is_sent_saved else NOW,
            sends=1,
            lifetime_s=3600,
            at=LATER,
        )
        for row in rows
    ]


def save(confirmed: list[Confirmation]) -> dict[UUID, int]:
    with transaction.atomic():
        return services.record_confirmations(confirmed)


def save_alone(one: Confirmation) -> None:
    services.record_confirmed(
        mitigation_id=one.mitigation_id,
        lifetime_s=one.lifetime_s,
        asked_at=one.asked_at,
        sent_at=one.sent_at,
        sends=one.sends,
        now=one.at,
    )


def columns_of(row: Mitigation | MitigationRequest) -> dict[str, object]:
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in OWN}


def history_of(mitigation: Mitigation) -> tuple[object, ...]:
    """The rows and the events of one request, as far as they do not tell it from another."""
    row = Mitigation.objects.select_related("request").get(pk=mitigation.pk)
    events = Event.objects.filter(request_id=row.request_id).exclude(type="request.submitted")
    request = {
        name: value
        for name, value in columns_of(row.request).items()
        if name not in ("asked", "created_at", "name", "replaces")
    }
    written = [(one.type, one.at, one.mitigation_id == row.pk, one.data) for one in events]
    return columns_of(row), request, written


@pytest.mark.django_db
@pytest.mark.parametrize("is_sent_saved", [False, True])
def test_confirmations_saved_together_are_those_saved_alone(
    submit: Submit, *, is_sent_saved: bool
) -> None:
    alone, *together_ = (mitigations_of(submit(strategy="failover"))[0] for _ in range(4))
    if is_sent_saved:
        for row in (alone, *together_):
            services.record_sent(mitigation_id=row.pk, now=NOW)
    (one,) = confirmations(alone, is_sent_saved=is_sent_saved)
    save_alone(one)

    versions = save(confirmations(*together_, is_sent_saved=is_sent_saved))

    expected = history_of(alone)
    for row in together_:
        assert history_of(row) == expected
        assert versions[row.pk] == Mitigation.objects.get(pk=row.pk).version
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.django_db
def test_a_row_in_memory_is_changed_like_the_one_in_the_database(submit: Submit) -> None:
    row = mitigations_of(submit(strategy="failover"))[0]
    (one,) = confirmations(row)
    known = Mitigation.objects.select_related("request").get(pk=row.pk)

    services.note_confirmed(known, one, save([one])[row.pk])

    saved = Mitigation.objects.select_related("request").get(pk=row.pk)
    assert columns_of(known) == columns_of(saved)
    assert known.version == saved.version
    assert known.request.status == saved.request.status


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        lambda row, dana: services.terminate(request_id=row.request_id, actor=Actor.person(dana)),
        lambda row, _: Mitigation.objects.filter(pk=row.pk).update(overdue_at=NOW),
        lambda row, _: MitigationRequest.objects.filter(pk=row.request_id).update(
            has_uncovered_targets=True
        ),
        lambda row, _: services.record_refused(
            mitigation_id=row.pk, code="4.03", reason="", now=NOW
        ),
        lambda row, dana: services.ask_provider(
            request_id=row.request_id,
            subscription_id=Subscription.objects.exclude(pk=row.subscription_id)
            .get(organization=row.organization_id)
            .pk,
            actor=Actor.person(dana),
        ),
    ],
    ids=["terminated", "overdue", "uncovered", "refused", "another provider asked"],
)
def test_a_request_that_changed_is_decided_alone(
    submit: Submit, dana: User, change: Callable[[Mitigation, User], object]
) -> None:
    changed, other = (mitigations_of(submit(strategy="failover"))[0] for _ in range(2))
    answers = confirmations(changed, other)
    change(changed, dana)
    before = history_of(changed)

    assert save(answers).keys() == {other.pk}

    assert history_of(changed) == before
    save_alone(answers[0])
    assert Mitigation.objects.get(pk=changed.pk).confirmed_at == LATER


@pytest.mark.django_db
def test_a_held_request_delays_no_other_confirmation(submit: Submit) -> None:
    held_request, free = submit(strategy="failover"), submit(strategy="failover")
    (held_row,), (free_row,) = mitigations_of(held_request)[:1], mitigations_of(free)[:1]
    answers = confirmations(held_row, free_row)
    with held(held_request.pk):
        assert save(answers).keys() == {free_row.pk}

    assert save(answers).keys() == {held_row.pk}


@pytest.mark.django_db
def test_a_held_log_delays_no_other_organization(submit: Submit, acme: Organization) -> None:
    row = mitigations_of(submit(strategy="failover"))[0]
    answers = confirmations(row)
    with held_by(lambda: lock_log(acme.pk)):
        assert save(answers) == {}

    assert save(answers).keys() == {row.pk}


@pytest.mark.django_db
def test_a_confirmation_and_a_termination_at_the_same_moment_leave_nothing_behind(
    submit: Submit, dana: User
) -> None:
    for _ in range(ROUNDS):
        requests = [submit(strategy="failover") for _ in range(3)]
        rows = [mitigations_of(request)[0] for request in requests]
        answers = confirmations(*rows)

        def answer(answers: list[Confirmation] = answers) -> None:
            saved = save(answers)
            for one in answers:
                if one.mitigation_id not in saved:
                    save_alone(one)

        def end(request_id: UUID) -> object:
            return services.terminate(request_id=request_id, actor=Actor.person(dana))

        results = together(answer, *(lambda pk=one.pk: end(pk) for one in requests))

        assert not any(isinstance(one, Exception) for one in results), results
        for row in Mitigation.objects.filter(pk__in=[row.pk for row in rows]):
            assert (row.status, row.wanted, row.confirmed_at) == ("terminating", "withdrawn", LATER)
            assert row.request.status == "terminating"
    seqs = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.django_db
@pytest.mark.parametrize("owner", [OWNER, "another worker"])
def test_a_session_without_its_lease_saves_no_confirmation(submit: Submit, owner: str) -> None:
    """Neither when another worker took the lease, nor when its own worker claimed the subscription
    again while the confirmation waited for the others.
    """
    late, owned = (mitigations_of(submit(strategy="failover"))[0] for _ in range(2))
    lease_to(OWNER, *Subscription.objects.all())
    ended, fence = LeaseFence(asked_at=boottime()), LeaseFence(asked_at=boottime())
    answers = [
        Owned(by, its_fence, one.subscription_id, one)
        for by, its_fence, one in zip(
            (owner, OWNER), (ended, fence), confirmations(late, owned), strict=True
        )
    ]
    if owner == OWNER:
        ended.close()
    rows = [Mitigation.objects.select_related("request").get(pk=one.pk) for one in (late, owned)]
    before = history_of(late)

    async def save_together() -> list[bool]:
        threads = DatabaseThreads()
        try:
            record = GroupedWrites(threads).record_confirmation
            return await asyncio.gather(*map(record, rows, answers))
        finally:
            threads.close()

    assert asyncio.run(save_together()) == [False, True]
    assert history_of(late) == before
    assert [row.status for row in rows] == ["pending", "in_progress"]
