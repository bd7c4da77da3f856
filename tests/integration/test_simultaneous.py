"""Several people, and the portal's failover, request overlapping addresses at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.database import is_away
from portal.mitigations import queries, services
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.quota import QuotaExceeded
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.portal.mitigations.rows import NOW, confirm, mitigations_of, names, refuse, report

CONCURRENT = 8
ROUNDS = 6


def together(*acts: Callable[[], object]) -> list[object]:
    """The results of all calls, which start simultaneously."""
    barrier = threading.Barrier(len(acts))
    results: list[object] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait()
            results[index] = acts[index]()
        except Exception as error:  # noqa: BLE001  the result says which
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db
def test_only_one_of_several_simultaneous_overlapping_requests_is_sent(
    acme: Organization, alice: User, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    def submit(length: int) -> Callable[[], object]:
        submission = Submission(prefixes=(f"203.0.113.0/{length}",))
        return lambda: services.submit(
            organization=acme, actor=Actor.person(alice), submission=submission
        )

    results = together(*(submit(32 - index % 4) for index in range(CONCURRENT)))

    sent = [one for one in results if isinstance(one, MitigationRequest)]
    refused = [one for one in results if isinstance(one, WouldReplace)]
    assert (len(sent), len(refused)) == (1, CONCURRENT - 1)
    assert Mitigation.objects.count() == 1


@pytest.mark.django_db
def test_simultaneous_submissions_do_not_pass_a_limit_together(
    acme: Organization,
    alice: User,
    dana: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
) -> None:
    acme.max_live_requests, acme.max_live_requests_per_person = 5, 3
    acme.save()

    def submit(number: int) -> Callable[[], object]:
        actor = Actor.person((alice, dana)[number % 2])
        submission = Submission(prefixes=(f"203.0.113.{number}/32",))

        def act() -> object:
            while True:
                try:
                    return services.submit(organization=acme, actor=actor, submission=submission)
                except DatabaseError as error:
                    # Sixteen want a connection at once. A caller gets 503 then, and tries again.
                    if not is_away(error):
                        raise

        return act

    results = together(*(submit(number) for number in range(2 * CONCURRENT)))

    own = [MitigationRequest.objects.filter(created_by=one).count() for one in (alice, dana)]
    refused = [one for one in results if isinstance(one, QuotaExceeded)]
    assert (sorted(own), len(refused)) == ([2, 3], 2 * CONCURRENT - 5)


@pytest.mark.django_db
def test_a_failover_and_a_simultaneous_submission_never_replace_each_other(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    for index in range(ROUNDS):
        first = services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(prefixes=(f"203.0.113.{index * 8}/32",)),
        )
        wider = Submission(
            prefixes=(f"203.0.113.{index * 8}/30",), subscriptions=(acme_tidewall.pk,)
        )

        def fall_back(first: MitigationRequest = first) -> None:
            refuse(mitigations_of(first)[0])

        def submit(wider: Submission = wider) -> object:
            return services.submit(organization=acme, actor=Actor.person(alice), submission=wider)

        fell_back, submitted = together(fall_back, submit)
        assert fell_back is None
        first = MitigationRequest.objects.get(pk=first.pk)

        if isinstance(submitted, MitigationRequest):
            assert names(first) == ["Northgate"]
        else:
            assert isinstance(submitted, WouldReplace)
            assert names(first) == ["Northgate", "Tidewall"]
    held = Mitigation.objects.filter(subscription=acme_tidewall)
    assert not any(queries.shares_target(one, other) for one, other in combinations(held, 2))


@pytest.mark.django_db
def test_an_older_request_continues_when_the_newer_one_is_terminated_first(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    def asked(**changes: Any) -> MitigationRequest:
        submission = Submission(prefixes=("203.0.113.7/32",), **changes)
        consent = Consent(is_joint=True)
        return services.submit(
            organization=acme, actor=Actor.person(alice), submission=submission, consent=consent
        )

    older = asked(subscriptions=(acme_tidewall.pk,))
    newer = asked(strategy=Strategy.PARALLEL)
    for mitigation in (*mitigations_of(older), *mitigations_of(newer)):
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)
    assert newer.replaces == (older.pk,)

    def sweep() -> None:
        try:
            services.terminate_redundant(now=NOW)
        finally:
            connection.close()

    thread = threading.Thread(target=sweep)
    with transaction.atomic():
        services.terminate(request_id=newer.pk, actor=Actor.person(alice))
        thread.start()
        # Until it waits for this transaction, or decided without it.
        while thread.is_alive() and not waits_for_a_lock():
            thread.join(0.01)
    thread.join()

    assert MitigationRequest.objects.get(pk=older.pk).terminate_asked_at is None


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
