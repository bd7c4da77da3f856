from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.formatting import NBSP
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ClientOf
from tests.factories import ResourceFactory

Prepare = Callable[..., StandbyPlan]


@pytest.fixture
def prepare(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> Prepare:
    """alice creates a plan for the shop at both providers."""

    def prepare(
        name: str = "Shop, full flood",
        *,
        key: str = "",
        resources: tuple[ProtectedResource, ...] = (shop,),
        **fields: object,
    ) -> StandbyPlan:
        submission = Submission(resources=tuple(one.pk for one in resources), **fields)  # type: ignore[arg-type]  # the test names fields
        plan = services.create_plan(
            organization=acme, actor=Actor.person(alice), name=name, submission=submission, key=key
        )
        return again(plan)

    return prepare


def again(plan: StandbyPlan) -> StandbyPlan:
    return StandbyPlan.objects.select_related("request", "organization").get(pk=plan.pk)


def mitigations_of(request: MitigationRequest) -> list[Mitigation]:
    return list(request.mitigations.select_related("request").order_by("position"))


def says(
    mitigation: Mitigation, dots_status: int, at: datetime | None = None, **facts: object
) -> None:
    """The provider reports this status."""
    report = ProviderReport(
        dots_status=dots_status,
        trigger=BY_DOTS_STATUS[dots_status],
        **facts,  # type: ignore[arg-type]  # the test names facts
    )
    now = at or timezone.now()
    mitigations.record_report(mitigation_id=mitigation.pk, report=report, now=now)


def takes(mitigation: Mitigation, at: datetime | None = None) -> None:
    """The provider accepts it."""
    now = at or timezone.now()
    mitigations.record_sending(mitigation_id=mitigation.pk, now=now)
    asked = Mitigation.objects.values_list("refresh_asked_at", flat=True).get(pk=mitigation.pk)
    mitigations.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=86400, asked_at=now, extended_at=asked, now=now
    )


def holds(mitigation: Mitigation, at: datetime | None = None) -> None:
    """The provider accepts it and reports standby."""
    takes(mitigation, at)
    says(mitigation, 8, at)


@pytest.fixture
def office(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, name="Office", value="203.0.113.128/26")


def statuses(request: MitigationRequest) -> list[str]:
    return [mitigation.status for mitigation in mitigations_of(request)]


@pytest.fixture
def active(prepare: Prepare) -> StandbyPlan:
    """Northgate activated the plan automatically and filters; Tidewall holds it."""
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    says(mitigations_of(plan.request)[0], 2)
    return again(plan)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


def words(browser: Client, path: str) -> str:
    """The text of a page."""
    answer = browser.get(path)
    assert answer.status_code == 200
    page = answer.content.decode()
    text = html.unescape(re.sub(r"<[^>]+>", " ", page)).replace(NBSP, " ")
    return " ".join(text.split())
