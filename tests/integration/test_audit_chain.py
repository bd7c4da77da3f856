"""The chain on PostgreSQL, with writers and sealers at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import UUID

import pytest
from django.db import connection, connections, transaction

from portal.accounts.actors import Actor
from portal.audit.models import AuditEntry, Seal
from portal.audit.recording import record_entry
from portal.audit.sealing import seal_all
from portal.audit.verbs import Verb
from portal.audit.verification import verify

pytestmark = pytest.mark.django_db(transaction=True)

ONE = UUID(int=1)
WRITERS = 10
EACH = 100


def test_a_thousand_concurrent_writes_give_one_unbroken_chain() -> None:
    done = Event()

    def write(number: int) -> None:
        try:
            for _ in range(EACH):
                with transaction.atomic():
                    record_entry(
                        Verb.PLAN_CHANGED,
                        actor=Actor.portal(),
                        organization_id=ONE,
                        after={"writer": number},
                    )
        finally:
            connections.close_all()

    def keep_sealing() -> None:
        try:
            while not done.is_set():
                seal_all()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sealers = [pool.submit(keep_sealing) for _ in range(2)]
        try:
            for writer in [pool.submit(write, number) for number in range(WRITERS)]:
                writer.result()
        finally:
            done.set()
        for sealer in sealers:
            sealer.result()
    seal_all()

    places = Seal.objects.filter(organization_id=ONE).order_by("seq").values_list("seq", flat=True)
    assert list(places) == list(range(1, WRITERS * EACH + 1))
    assert verify(ONE) is None


def test_an_entry_that_commits_after_a_later_one_was_sealed_gets_the_next_place() -> None:
    """Ids are given before the commit."""
    written, sealed = Event(), Event()

    def write_slowly() -> int:
        try:
            with transaction.atomic():
                entry = record_entry(Verb.SIGNED_IN, actor=None, organization_id=ONE)
                written.set()
                assert sealed.wait(20)
            return entry.pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(write_slowly)
        assert written.wait(20)
        later = record_entry(Verb.SIGNED_OUT, actor=None, organization_id=ONE).pk
        assert seal_all() == 1
        sealed.set()
        earlier = slow.result()
    assert seal_all() == 1

    assert earlier < later
    order = Seal.objects.order_by("seq").values_list("entry_id", flat=True)
    assert list(order) == [later, earlier]
    assert verify(ONE) is None
    assert AuditEntry.objects.count() == 2
    assert connection.vendor == "postgresql"
