"""Asking for a test of a connection, and what follows from its result."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.connections import services
from portal.connections.models import ConnectionTest
from portal.connections.queries import result_of
from portal.connections.services import connection_tests
from portal.connections.steps import (
    ConnectionResult,
    ConnectionStep,
    StepFailure,
    StepName,
    StepState,
)
from portal.core.errors import NotAllowed, NotFound, Throttled
from portal.organizations.models import Organization
from portal.providers.models import ClientKey, Provider, Subscription
from portal.wording.connection_tests import WHY, headline, lines
from portal.wording.from_rows.connections import probe_facts
from tests.portal.providers.identities import identity

PASSED = ConnectionStep(step=StepName.NAME, state=StepState.PASSED, addresses=("192.0.2.1",))


@pytest.fixture
def by(alice: User) -> Actor:
    return Actor.person(alice)


@pytest.fixture
def asked(acme_northgate: Subscription, by: Actor) -> ConnectionTest:
    return services.ask_test(subscription=acme_northgate, actor=by)


def taken() -> ConnectionTest:
    [test] = services.take_due_tests(timezone.now(), at_most=4)
    return test


def test_a_test_is_taken_once(asked: ConnectionTest) -> None:
    assert taken().pk == asked.pk
    assert services.take_due_tests(timezone.now(), at_most=4) == []


def test_a_second_ask_returns_the_test_that_runs(
    asked: ConnectionTest, acme_northgate: Subscription, by: Actor
) -> None:
    assert services.ask_test(subscription=acme_northgate, actor=by).pk == asked.pk
    assert AuditEntry.objects.filter(verb="subscription.test_asked").count() == 1


def test_a_test_that_no_worker_ends_is_lost(
    asked: ConnectionTest, acme_northgate: Subscription, by: Actor
) -> None:
    later = timezone.now() + connection_tests.LOST_AFTER + timedelta(seconds=1)
    assert result_of(asked, later) == ConnectionResult.LOST
    assert "was lost" in headline(probe_facts(asked, later), later)
    ConnectionTest.objects.update(asked_at=timezone.now() - connection_tests.LOST_AFTER)

    assert services.take_due_tests(timezone.now(), at_most=4) == []
    services.ask_test(subscription=acme_northgate, actor=by)

    assert sorted(ConnectionTest.objects.values_list("result", flat=True)) == ["", "lost"]


def test_without_a_worker_the_headline_says_so(asked: ConnectionTest) -> None:
    later = asked.asked_at + timedelta(seconds=11)

    assert "No part of the portal that talks to providers" in headline(
        probe_facts(asked, later), later
    )


def test_steps_are_seen_while_the_test_runs(asked: ConnectionTest) -> None:
    services.save_steps(taken(), [PASSED])

    [line] = lines(ConnectionTest.objects.get().steps)
    assert (line.name, line.found) == ("Name", "192.0.2.1.")


def test_every_failure_says_what_to_do() -> None:
    assert set(WHY) == set(StepFailure)


def test_a_new_certificate_that_works_is_used(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    renewed = identity()
    services.add_identity(organization=acme, provider=northgate, identity=renewed, actor=by)
    services.ask_test(subscription=acme_northgate, actor=by)

    services.end_test(taken(), [PASSED], ConnectionResult.PASSED, timezone.now())

    assert Subscription.objects.get().certificate_chain.encode() == renewed.certificate_chain
    assert not ClientKey.objects.exists()
    test = ConnectionTest.objects.get()
    assert (test.result, test.is_of_new_key) == ("passed", True)


def test_a_new_certificate_that_does_not_work_keeps_waiting(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)
    services.ask_test(subscription=acme_northgate, actor=by)

    services.end_test(taken(), [PASSED], ConnectionResult.FAILED, timezone.now())

    assert Subscription.objects.get().certificate_chain == acme_northgate.certificate_chain
    assert ClientKey.objects.exists()


def test_a_certificate_that_was_replaced_meanwhile_is_not_used(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)
    services.ask_test(subscription=acme_northgate, actor=by)
    test = taken()
    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)

    services.end_test(test, [PASSED], ConnectionResult.PASSED, timezone.now())

    assert Subscription.objects.get().certificate_chain == acme_northgate.certificate_chain
    assert ConnectionTest.objects.get().result == "passed"


def test_an_organization_tests_so_often_an_hour(
    acme_northgate: Subscription, by: Actor, monkeypatch: Any
) -> None:
    monkeypatch.setattr(connection_tests, "MAX_TESTS_PER_HOUR", 1)
    services.ask_test(subscription=acme_northgate, actor=by)
    services.end_test(taken(), [], ConnectionResult.PASSED, timezone.now())

    with pytest.raises(Throttled, match="within an hour"):
        services.ask_test(subscription=acme_northgate, actor=by)


def test_the_last_few_tests_are_kept(
    acme_northgate: Subscription, by: Actor, monkeypatch: Any
) -> None:
    monkeypatch.setattr(connection_tests, "MAX_TESTS_KEPT", 2)
    for _ in range(4):
        services.ask_test(subscription=acme_northgate, actor=by)
        services.end_test(taken(), [], ConnectionResult.PASSED, timezone.now())

    assert ConnectionTest.objects.count() == 2


def test_only_admins_of_the_organization_test(
    acme_northgate: Subscription, dana: User, charlie: User
) -> None:
    with pytest.raises(NotAllowed):
        services.ask_test(subscription=acme_northgate, actor=Actor.person(dana))
    with pytest.raises(NotFound):
        services.ask_test(subscription=acme_northgate, actor=Actor.person(charlie))
