from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, IdempotencyKeyReused, Invalid, NotFound
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import queries, services
from portal.standby.models import StandbyPlan
from portal.standby.services import plans as plan_services
from tests.portal.standby.conftest import (
    Prepare,
    again,
    holds,
    mitigations_of,
    says,
    statuses,
    takes,
)

pytestmark = pytest.mark.sqlite


def test_every_chosen_provider_is_asked_to_hold_a_plan_for_its_longest_lifetime(
    prepare: Prepare,
) -> None:
    plan = prepare()

    request = plan.request
    assert (request.kind, request.strategy, request.auto_renew) == ("standby", "parallel", True)
    assert (request.name, request.lifetime_s) == ("Shop, full flood", 86400)
    assert statuses(request) == ["pending", "pending"]
    assert plan.is_on


def test_a_plan_asks_for_no_longer_than_every_provider_grants(
    prepare: Prepare, acme_tidewall: Subscription
) -> None:
    acme_tidewall.provider.max_lifetime_s = 7200
    acme_tidewall.provider.save(update_fields=["max_lifetime_s"])

    assert prepare().request.lifetime_s == 7200


def test_a_provider_that_confirms_a_plan_holds_it_and_does_not_set_up(prepare: Prepare) -> None:
    plan = prepare()
    takes(mitigations_of(plan.request)[0])

    holder = queries.holders(again(plan))[0]
    assert holder.mitigation.status == "standby"
    assert not holder.is_held
    assert again(plan).request.status == "standby"

    says(mitigations_of(plan.request)[0], 8)

    assert queries.holders(again(plan))[0].is_held


def test_a_provider_that_refused_a_plan_is_retried_although_another_holds_it(
    prepare: Prepare,
) -> None:
    plan = prepare()
    holding, refusing = mitigations_of(plan.request)
    holds(holding)
    now = timezone.now()
    mitigations.record_sending(mitigation_id=refusing.pk, now=now)
    mitigations.record_refused(mitigation_id=refusing.pk, code="4.00", reason="no", now=now)
    assert mitigations.mark_due_again(now=now) == 0

    assert mitigations.mark_due_again(now=now + timedelta(seconds=31)) == 1

    assert statuses(plan.request) == ["standby", "pending"]
    assert again(plan).request.status == "standby"


def test_turning_a_plan_off_withdraws_it_and_on_requests_it_again(
    prepare: Prepare, alice: User
) -> None:
    plan = prepare()
    first = plan.request
    for mitigation in mitigations_of(first):
        holds(mitigation)

    services.turn_off(plan_id=plan.pk, actor=Actor.person(alice))
    services.turn_off(plan_id=plan.pk, actor=Actor.person(alice))
    assert statuses(first) == ["terminating", "terminating"]
    assert not again(plan).is_on
    services.turn_on(plan_id=plan.pk, actor=Actor.person(alice))

    second = again(plan).request
    assert second.pk != first.pk
    assert (second.scope, second.lifetime_s) == (first.scope, first.lifetime_s)
    assert {mitigation.mid for mitigation in mitigations_of(second)}.isdisjoint(
        mitigation.mid for mitigation in mitigations_of(first)
    )
    services.turn_on(plan_id=plan.pk, actor=Actor.person(alice))
    assert again(plan).request_id == second.pk


@pytest.mark.parametrize("is_plan_newer", [True, False])
def test_a_plan_and_an_immediate_request_do_not_replace_each_other(
    prepare: Prepare,
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    is_plan_newer: bool,
) -> None:
    submission = Submission(resources=(shop.pk,))
    if is_plan_newer:
        mitigations.submit(organization=acme, actor=Actor.person(alice), submission=submission)
    older = prepare().request
    if is_plan_newer:
        older = MitigationRequest.objects.get(kind="immediate")
    else:
        mitigations.submit(organization=acme, actor=Actor.person(alice), submission=submission)
    takes(mitigations_of(older)[0])

    assert mitigation_queries.newer_overlapping(mitigations_of(older)[0].pk) == []


def test_a_second_plan_for_a_target_is_refused_at_the_same_provider(
    prepare: Prepare, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    prepare(subscriptions=(acme_northgate.pk,))

    with pytest.raises(Invalid) as refused:
        prepare("Another", subscriptions=(acme_northgate.pk, acme_tidewall.pk))

    (error,) = refused.value.errors
    assert (error.field, error.code) == ("targets", "overlaps-plan")
    assert prepare("Another", subscriptions=(acme_tidewall.pk,)).is_on


def test_a_plan_that_is_off_covers_nothing(
    prepare: Prepare, alice: User, acme: Organization
) -> None:
    first = prepare()
    services.turn_off(plan_id=first.pk, actor=Actor.person(alice))
    prepare("Another")

    with pytest.raises(Invalid):
        services.turn_on(plan_id=first.pk, actor=Actor.person(alice))


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "required"), ("x" * 101, "too-long"), ("a\nb", "odd-characters"), ("One", "name-exists")],
)
def test_an_invalid_name_has_an_error(
    prepare: Prepare, office: ProtectedResource, name: str, code: str
) -> None:
    prepare("One")

    with pytest.raises(Invalid) as refused:
        prepare(name, resources=(office,))

    assert [(one.field, one.code) for one in refused.value.errors] == [("name", code)]


def test_the_same_key_creates_one_plan(prepare: Prepare, office: ProtectedResource) -> None:
    plan = prepare(key="k1")

    assert prepare(key="k1").pk == plan.pk
    with pytest.raises(IdempotencyKeyReused):
        prepare("Other", key="k1", resources=(office,))
    assert StandbyPlan.objects.count() == 1


def test_the_number_of_plans_is_limited(
    prepare: Prepare, office: ProtectedResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_services, "MAX_PLANS", 1)
    prepare()

    with pytest.raises(Conflict) as refused:
        prepare("Office", resources=(office,))

    assert refused.value.code == "too-many-plans"


def test_a_removed_plan_is_released_and_its_name_is_free(prepare: Prepare, alice: User) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)

    services.remove_plan(plan_id=plan.pk, actor=Actor.person(alice))

    assert statuses(plan.request) == ["terminating", "terminating"]
    assert not queries.plans(plan.organization)
    with pytest.raises(NotFound):
        services.turn_on(plan_id=plan.pk, actor=Actor.person(alice))
    assert prepare().pk != plan.pk
