"""A provider that refused a plan, or was never reached, is retried manually without changing the
plan.
"""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.services import ask_provider
from portal.mitigations.states import Status
from portal.providers.models import Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.portal.standby.conftest import Prepare, holds, mitigations_of

ASK = "Ask Northgate again now"


@pytest.fixture
def plan(prepare: Prepare) -> StandbyPlan:
    """Tidewall holds it; Northgate's part loops between gateways."""
    plan = prepare()
    northgate, tidewall = mitigations_of(plan.request)
    holds(tidewall)
    refuse(northgate, code="5.08", reason="edge-1, core-2")
    return plan


def refuse(mitigation: Mitigation, *, code: str = "4.00", reason: str = "") -> None:
    now = timezone.now()
    mitigations.record_sending(mitigation_id=mitigation.pk, now=now)
    mitigations.record_refused(mitigation_id=mitigation.pk, code=code, reason=reason, now=now)


def ask_url(plan: StandbyPlan) -> str:
    return f"{plan.get_absolute_url()}/ask"


def test_a_provider_that_the_plan_did_not_reach_can_be_retried_on_its_page(
    plan: StandbyPlan, dana: User, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    browser = client_of(dana)
    page = browser.get(plan.get_absolute_url()).content.decode()
    assert f'action="{ask_url(plan)}"' in page
    assert page.count(ASK) == 1
    assert "Ask Tidewall" not in page
    assert "only…" not in page
    assert (
        "The portal does not retry Northgate automatically. Ask it again when they have fixed it."
        in page
    )

    answer = browser.post(ask_url(plan), {"subscription": str(acme_northgate.pk)})

    assert answer["Location"] == f"{plan.get_absolute_url()}#h"
    northgate = mitigations_of(plan.request)[0]
    assert (northgate.status, northgate.asked_by) == (Status.PENDING, dana)
    assert northgate.retry_at is None
    event = Event.objects.get(type="mitigation.asked")
    assert (event.actor, event.mitigation_id) == (dana, northgate.pk)
    assert ASK not in browser.get(plan.get_absolute_url()).content.decode()


def test_a_provider_that_was_asked_is_not_asked_twice(
    plan: StandbyPlan, dana: User, acme_tidewall: Subscription
) -> None:
    ask_provider(
        request_id=plan.request_id, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
    )

    assert mitigations_of(plan.request)[1].status == Status.STANDBY
    assert not Event.objects.filter(type="mitigation.asked").exists()


def test_a_provider_joins_a_plan_only_by_changing_the_plan(
    prepare: Prepare, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    plan = prepare(subscriptions=(acme_northgate.pk,))

    with pytest.raises(Conflict) as refused:
        ask_provider(
            request_id=plan.request_id, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
        )

    assert refused.value.code == "part-of-a-plan"
    assert len(mitigations_of(plan.request)) == 1


def test_a_plan_that_is_off_asks_no_provider(
    plan: StandbyPlan, dana: User, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    services.turn_off(plan_id=plan.pk, actor=Actor.person(dana))
    browser = client_of(dana)
    assert ASK not in browser.get(plan.get_absolute_url()).content.decode()

    answer = browser.post(ask_url(plan), {"subscription": str(acme_northgate.pk)}, follow=True)

    assert "Nothing more to do." in answer.content.decode()
    assert mitigations_of(plan.request)[0].status == Status.REFUSED


def test_no_provider_of_a_drill_is_retried(
    dana: User, plan: StandbyPlan, acme_northgate: Subscription
) -> None:
    MitigationRequest.objects.filter(pk=plan.request_id).update(kind="drill")

    with pytest.raises(Conflict):
        ask_provider(
            request_id=plan.request_id, actor=Actor.person(dana), subscription_id=acme_northgate.pk
        )

    assert mitigations_of(plan.request)[0].status == Status.REFUSED


def test_viewers_and_other_tenants_cannot_ask_a_provider(
    plan: StandbyPlan,
    bob: User,
    charlie: User,
    client_of: ClientOf,
    acme_northgate: Subscription,
) -> None:
    asked = {"subscription": str(acme_northgate.pk)}
    assert ASK not in client_of(bob).get(plan.get_absolute_url()).content.decode()

    assert client_of(bob).post(ask_url(plan), asked).status_code == 403
    assert client_of(charlie).post(ask_url(plan), asked).status_code == 404
    elsewhere = ask_url(plan).replace("/acme/", "/globex/")
    assert client_of(charlie).post(elsewhere, asked).status_code == 404

    assert mitigations_of(plan.request)[0].status == Status.REFUSED


def test_the_api_retries_a_provider_too(
    plan: StandbyPlan, dana: User, api_of: ApiOf, acme_northgate: Subscription
) -> None:
    path = f"/api/v1/organizations/acme/mitigation-requests/{plan.request_id}/mitigations/ask"

    answer = api_of(dana).post(path, {"subscription": str(acme_northgate.pk)}, format="json")

    assert answer.status_code == 202
    assert mitigations_of(plan.request)[0].status == Status.PENDING
