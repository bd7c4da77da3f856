"""The gauges that are read from the tables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from pytest_django.fixtures import DjangoAssertNumQueries

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core import metrics
from portal.metrics import rows
from portal.metrics.rows import RowCollector, Values, read_rows
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, SessionState, Subscription
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.portal.leased import lease_to

pytestmark = pytest.mark.sqlite


def test_sessions_are_counted_by_provider_and_state(
    acme_northgate: Subscription,
    globex_northgate: Subscription,
    acme_tidewall: Subscription,
    northgate: Provider,
) -> None:
    now = timezone.now()
    Subscription.objects.filter(pk=acme_northgate.pk).update(
        last_heard_at=now - timedelta(minutes=2)
    )
    Subscription.objects.filter(pk=acme_tidewall.pk).update(session_state=SessionState.DOWN)
    SubscriptionFactory.create(
        organization=OrganizationFactory.create(), provider=northgate, enabled=False
    )
    SubscriptionFactory.create(
        organization=OrganizationFactory.create(is_active=False), provider=northgate
    )
    lease_to("w1", acme_northgate, now=now)

    found = {gauge: dict(values) for gauge, values in read_rows().items()}

    assert found[metrics.SESSIONS] == {
        ("Northgate Scrubbing", "up"): 2,
        ("Northgate Scrubbing", "connecting"): 0,
        ("Northgate Scrubbing", "down"): 0,
        ("Tidewall", "up"): 0,
        ("Tidewall", "connecting"): 0,
        ("Tidewall", "down"): 1,
    }
    assert found[metrics.UNOWNED_SESSIONS] == {("Northgate Scrubbing",): 1, ("Tidewall",): 1}
    assert found[metrics.HEARTBEAT_AGE] == {("Northgate Scrubbing",): pytest.approx(120, abs=10)}
    assert found[metrics.SIGNAL_WORKERS] == {(): 1}


Ask = Callable[..., Mitigation]


@pytest.fixture
def ask(
    alice: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> Ask:
    """Ask for the address with this last number, with other columns afterwards."""

    def ask(number: int, **columns: object) -> Mitigation:
        submission = Submission(prefixes=(f"203.0.113.{number}/32",))
        asked = services.submit(organization=acme, actor=Actor.person(alice), submission=submission)
        mitigation = asked.mitigations.get()
        Mitigation.objects.filter(pk=mitigation.pk).update(**columns)
        return mitigation

    return ask


def test_pending_mitigations_are_counted_by_age(ask: Ask) -> None:
    now = timezone.now()
    ago = [timedelta(seconds=seconds) for seconds in (1, 30, 40, 100, 1000)]
    ask(1, asked_at=now - ago[0])
    ask(2, asked_at=now - ago[1], sent_at=now - ago[1])
    ask(3, asked_at=now - ago[2], sent_at=now - ago[2])
    # Asked again 100 s ago, and not sent since.
    ask(4, asked_at=now - ago[3], sent_at=now - ago[4])
    ask(5, asked_at=now - ago[4], sent_at=now - ago[4])
    # None of these is stuck: confirmed, to be asked later, given up, ended.
    ask(6, asked_at=now - ago[4], status="mitigating")
    ask(7, asked_at=now - ago[4], retry_at=now + timedelta(minutes=5))
    ask(8, asked_at=now - ago[4], wanted="withdrawn")
    ask(9, asked_at=now - ago[4], status="terminated")

    found = {gauge: dict(values) for gauge, values in read_rows().items()}

    assert found[metrics.PENDING] == {("10s",): 1, ("1m",): 2, ("5m",): 1, ("older",): 1}
    assert found[metrics.OLDEST_UNSENT] == {(): pytest.approx(100, abs=8)}


def test_a_scrape_costs_the_same_statements_for_any_number_of_rows(
    ask: Ask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(1, 12):
        ask(number)

    with django_assert_max_num_queries(4):
        read_rows()


@pytest.mark.django_db(transaction=True)
def test_a_scrape_names_no_tenant(ask: Ask, acme: Organization, alice: User) -> None:
    mitigation = ask(7)
    registry = CollectorRegistry()
    registry.register(RowCollector())

    text = generate_latest(registry).decode() + generate_latest(metrics.REGISTRY).decode()

    assert "portal_database_up 1.0" in text
    assert 'portal_pending_mitigations{age="10s"} 1.0' in text
    for secret in (
        acme.name,
        acme.slug,
        acme.pk,
        alice.username,
        alice.pk,
        mitigation.pk,
        mitigation.request_id,
        mitigation.subscription_id,
        "203.0.113",
    ):
        assert str(secret) not in text, secret


def collector(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Values]) -> CollectorRegistry:
    monkeypatch.setattr(rows, "read_rows", read)
    registry = CollectorRegistry()
    registry.register(RowCollector())
    return registry


def test_no_number_is_shown_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "KEPT_S", 0.0)
    is_away = False

    def read() -> Values:
        if is_away:
            raise OperationalError
        return {metrics.SIGNAL_WORKERS: [((), 2)]}

    registry = collector(monkeypatch, read)
    assert registry.get_sample_value("portal_signal_workers") == 2
    assert registry.get_sample_value("portal_database_up") == 1

    is_away = True
    assert registry.get_sample_value("portal_database_up") == 0
    assert registry.get_sample_value("portal_signal_workers") is None

    is_away = False
    assert registry.get_sample_value("portal_signal_workers") == 2


def test_a_database_that_hangs_does_not_hang_the_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ANSWER_WITHIN_S", 0.01)
    answers, calls = threading.Event(), []

    def read() -> Values:
        calls.append(1)
        answers.wait()
        return {metrics.SIGNAL_WORKERS: [((), 2)]}

    registry = collector(monkeypatch, read)
    for _ in range(3):
        assert registry.get_sample_value("portal_database_up") == 0
    answers.set()
    monkeypatch.setattr(rows, "ANSWER_WITHIN_S", 30)

    assert registry.get_sample_value("portal_database_up") == 1
    assert len(calls) == 1, "further scrapes wait for the same read"


def test_scrapes_within_seconds_share_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def read() -> Values:
        calls.append(1)
        return {}

    registry = collector(monkeypatch, read)
    for _ in range(5):
        generate_latest(registry)

    assert len(calls) == 1
