"""A plan is activated, by a person or by a provider that lost contact."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services
from tests.portal.standby.conftest import (
    Prepare,
    again,
    holds,
    mitigations_of,
    says,
    statuses,
)

pytestmark = pytest.mark.sqlite


def test_a_plan_is_no_live_request_until_a_provider_activates_it(
    prepare: Prepare, acme: Organization
) -> None:
    plan = prepare()
    mitigation = mitigations_of(plan.request)[0]
    holds(mitigation)
    assert not mitigation_queries.live_requests(acme)

    says(mitigation, 1)
    assert [one.pk for one in mitigation_queries.live_requests(acme)] == [plan.request_id]
    says(mitigation, 2, bytes_dropped=5)
    assert [one.status for one in mitigation_queries.live_requests(acme)] == ["mitigating"]

    says(mitigation, 3)
    assert [one.status for one in mitigation_queries.live_requests(acme)] == ["attack_stopped"]


def test_a_rearmed_plan_forgets_the_previous_activation(prepare: Prepare) -> None:
    plan = prepare()
    mitigation = mitigations_of(plan.request)[0]
    holds(mitigation)
    says(mitigation, 2, bytes_dropped=5, mitigation_start=timezone.now())
    says(mitigation, 3)

    says(mitigation, 8)

    mitigation = mitigations_of(plan.request)[0]
    assert (
        mitigation.status,
        mitigation.mitigating_at,
        mitigation.mitigation_start,
        mitigation.bytes_dropped,
    ) == (
        "standby",
        None,
        None,
        None,
    )
    assert (
        Event.objects.filter(mitigation_id=mitigation.pk, type="mitigation.counters").count() == 1
    )


def test_an_activated_plan_stays_live_until_its_end_is_confirmed(
    prepare: Prepare, acme: Organization, alice: User
) -> None:
    plan = prepare()
    mitigation, other = mitigations_of(plan.request)
    holds(mitigation)
    holds(other)
    says(mitigation, 2)

    mitigations.terminate(request_id=plan.request_id, actor=Actor.person(alice))
    assert [one.status for one in mitigation_queries.live_requests(acme)] == ["terminating"]
    assert not again(plan).is_on
    for one in (mitigation, other):
        says(one, 6)

    assert not mitigation_queries.live_requests(acme)


def test_activating_a_plan_asks_all_its_providers_and_it_stays_held(
    prepare: Prepare, alice: User
) -> None:
    plan = prepare(ports=(PortRange(80, 443),), protocols=(6,))
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)

    request = services.activate(plan_id=plan.pk, actor=Actor.person(alice), key="k1")

    assert (request.kind, request.name, request.strategy) == (
        "immediate",
        "Shop, full flood",
        "parallel",
    )
    assert (request.scope, request.ports, request.protocols) == (
        plan.request.scope,
        plan.request.ports,
        plan.request.protocols,
    )
    assert statuses(request) == ["pending", "pending"]
    assert statuses(plan.request) == ["standby", "standby"]
    assert services.activate(plan_id=plan.pk, actor=Actor.person(alice), key="k1").pk == request.pk


def test_a_plan_is_activated_once_until_that_request_ends(
    prepare: Prepare, alice: User, dana: User
) -> None:
    plan = prepare()
    request = services.activate(plan_id=plan.pk, actor=Actor.person(alice))

    with pytest.raises(Conflict) as refused:
        services.activate(plan_id=plan.pk, actor=Actor.person(dana))
    assert refused.value.code == "already-active"
    assert "alice activated this plan" in refused.value.message
    mitigations.terminate(request_id=request.pk, actor=Actor.person(alice))

    assert services.activate(plan_id=plan.pk, actor=Actor.person(dana)).pk != request.pk


def test_a_plan_is_activated_at_the_providers_that_can_still_be_asked(
    prepare: Prepare, alice: User, acme_tidewall: Subscription
) -> None:
    plan = prepare()
    acme_tidewall.enabled = False
    acme_tidewall.save(update_fields=["enabled"])

    request = services.activate(plan_id=plan.pk, actor=Actor.person(alice))

    assert request.subscriptions == plan.request.subscriptions[:1]


def test_a_plan_asks_only_its_own_providers_even_if_none_can_be_asked(
    prepare: Prepare, alice: User, acme_northgate: Subscription
) -> None:
    plan = prepare(subscriptions=(acme_northgate.pk,))
    acme_northgate.enabled = False
    acme_northgate.save(update_fields=["enabled"])

    with pytest.raises(Invalid) as refused:
        services.activate(plan_id=plan.pk, actor=Actor.person(alice))

    assert [error.code for error in refused.value.errors] == ["unknown-subscription"]


def test_a_plan_with_an_unverified_target_cannot_be_activated(
    prepare: Prepare, alice: User, shop: ProtectedResource
) -> None:
    plan = prepare()
    shop.verified_at = None
    shop.save(update_fields=["verified_at"])

    with pytest.raises(Invalid) as refused:
        services.activate(plan_id=plan.pk, actor=Actor.person(alice))

    assert refused.value.errors[0].code == "not-verified"


@pytest.mark.parametrize("status", [8, 1, 2, 3])
def test_a_plan_cannot_be_extended_and_takes_no_attack_report(
    prepare: Prepare, alice: User, status: int
) -> None:
    """Both are a PUT with trigger-mitigation false, which some servers read as an order to stop."""
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
        says(mitigation, status)

    with pytest.raises(Conflict) as refused:
        mitigations.extend(request_id=plan.request_id, actor=Actor.person(alice), lifetime_s=3600)
    assert refused.value.code == "renews-itself"
    with pytest.raises(Conflict) as refused:
        mitigations.report_efficacy(
            request_id=plan.request_id, actor=Actor.person(alice), attack_status="under-attack"
        )
    assert refused.value.code == "nobody-to-tell"
