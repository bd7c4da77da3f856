"""Requests with a known course, and events of sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.scorecard.periods import Month, Period
from portal.scorecard.scorecards import ProviderScore, scorecard_of
from tests.factories import ResourceFactory

NOON = datetime(2026, 10, 6, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 2, tzinfo=UTC)
OCTOBER = Period(Month(2026, 10), Month(2026, 10), ZoneInfo("UTC"))

Ask = Callable[..., Mitigation]


@pytest.fixture
def network(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, name="Network", value="203.0.113.0/24")


@pytest.fixture
def ask(alice: User, network: ProtectedResource, acme_northgate: Subscription) -> Ask:
    """alice asks Northgate at noon of 6 October, for another address each time."""
    count = 0

    def ask(at: datetime = NOON, strategy: Strategy = Strategy.FAILOVER) -> Mitigation:
        nonlocal count
        count += 1
        request = services.submit(
            organization=alice.memberships.get().organization,
            actor=Actor.person(alice),
            submission=Submission(prefixes=(f"203.0.113.{count}/32",), strategy=strategy),
        )
        MitigationRequest.objects.filter(pk=request.pk).update(created_at=at)
        Mitigation.objects.filter(request=request).update(asked_at=at)
        return request.mitigations.get(position=0)

    return ask


def sent(one: Mitigation, at: datetime = NOON) -> None:
    services.record_sending(mitigation_id=one.pk, now=at)
    services.record_sent(mitigation_id=one.pk, now=at)


def accepted(one: Mitigation, at: datetime) -> None:
    services.record_confirmed(mitigation_id=one.pk, lifetime_s=864_000, now=at, asked_at=at)


def refused(one: Mitigation, at: datetime, code: str = "4.09") -> None:
    services.record_refused(mitigation_id=one.pk, code=code, reason="", now=at)


def reported(one: Mitigation, dots_status: int, trigger: Trigger, at: datetime) -> None:
    services.record_report(
        mitigation_id=one.pk,
        report=ProviderReport(dots_status=dots_status, trigger=trigger),
        now=at,
    )


def session(subscription: Subscription, type: EventType, at: datetime, *, fault: str = "") -> Event:
    return append_event(
        organization_id=subscription.organization_id,
        type=type,
        at=at,
        data={"subscription": str(subscription.pk), "state": "up", "detail": "", "fault": fault},
    )


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def score(organization: Organization | None, period: Period = OCTOBER) -> ProviderScore:
    """The first provider, as read on 2 November."""
    return scorecard_of(organization, period, NOW).providers[0]
