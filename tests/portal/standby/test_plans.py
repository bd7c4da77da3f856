from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, IdempotencyKeyReused, Invalid, NotFound
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import queries, services
from portal.standby.models import StandbyPlan
from portal.standby.services import plans as plan_services
from tests.factories import ResourceFactory
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says, takes

pytestmark = pytest.mark.sqlite


@pytest.fixture
def office(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, name="Office", value="203.0.113.128/26")


def statuses(request: MitigationRequest) -> list[str]:
    return [mitigation.status for mitigation in mitigations_of(request)]


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


def test_the_old_version_of_a_changed_plan_stays_at_each_provider_until_the_new_one_is_held(
    prepare: Prepare, alice: User, office: ProtectedResource
) -> None:
    plan = prepare()
    old = plan.request
    for mitigation in mitigations_of(old):
        holds(mitigation)

    services.change_plan(
        plan_id=plan.pk, actor=Actor.person(alice), submission=Submission(resources=(office.pk,))
    )
    new = again(plan).request
    assert statuses(old) == ["standby", "standby"]
    holds(mitigations_of(new)[0])
    assert services.finish_changes() == 1

    assert statuses(old) == ["terminating", "standby"]
    assert mitigations_of(old)[0].wanted == "withdrawn"
    holds(mitigations_of(new)[1])
    assert services.finish_changes() == 1
    assert services.finish_changes() == 0


def test_a_provider_left_out_of_a_changed_plan_is_withdrawn_immediately(
    prepare: Prepare, alice: User, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)

    services.change_plan(
        plan_id=plan.pk,
        actor=Actor.person(alice),
        submission=Submission(resources=(shop.pk,), subscriptions=(acme_northgate.pk,)),
    )

    assert statuses(plan.request) == ["standby", "terminating"]


def test_an_unsent_mitigation_is_dropped_with_its_version(
    prepare: Prepare, alice: User, shop: ProtectedResource
) -> None:
    plan = prepare()

    services.change_plan(
        plan_id=plan.pk,
        actor=Actor.person(alice),
        submission=Submission(resources=(shop.pk,), protocols=(17,)),
    )

    assert statuses(plan.request) == ["terminated", "terminated"]


def test_saving_a_plan_unchanged_sends_nothing(
    prepare: Prepare, alice: User, shop: ProtectedResource
) -> None:
    plan = prepare()

    services.change_plan(
        plan_id=plan.pk,
        actor=Actor.person(alice),
        name=plan.name,
        submission=Submission(resources=(shop.pk,), reason="Agreed in March"),
    )

    same = again(plan)
    assert (same.request_id, same.request.reason) == (plan.request_id, "Agreed in March")


def test_a_provider_that_dropped_the_old_version_for_the_new_one_is_believed(
    prepare: Prepare, alice: User, shop: ProtectedResource
) -> None:
    plan = prepare()
    old = mitigations_of(plan.request)
    for mitigation in old:
        holds(mitigation)
    services.change_plan(
        plan_id=plan.pk,
        actor=Actor.person(alice),
        submission=Submission(resources=(shop.pk,), protocols=(17,)),
    )

    [newer] = mitigation_queries.newer_overlapping(old[0].pk)

    assert newer.request_id == again(plan).request_id


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


def test_renaming_a_plan_sends_nothing(prepare: Prepare, alice: User) -> None:
    plan = prepare()

    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), name="Shop")

    renamed = again(plan)
    assert (renamed.name, renamed.request.name) == ("Shop", "Shop")
    assert renamed.request_id == plan.request_id


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


@pytest.mark.parametrize("status", [1, 2, 3])
def test_a_plan_can_be_renamed_but_not_changed_while_a_provider_filters_for_it(
    prepare: Prepare, alice: User, office: ProtectedResource, status: int
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    says(mitigations_of(plan.request)[0], status)
    changed = Submission(resources=(office.pk,))

    with pytest.raises(Invalid) as refused:
        services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), submission=changed)

    assert [error.code for error in refused.value.errors] == ["plan-is-active"]
    assert "Northgate is filtering for this plan" in refused.value.errors[0].message
    same = services.submission_of(plan)
    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), name="Flood", submission=same)
    assert (again(plan).name, again(plan).request_id) == ("Flood", plan.request_id)
    says(mitigations_of(plan.request)[0], 8)
    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), submission=changed)
    assert again(plan).request_id != plan.request_id


def test_filtering_for_a_replaced_version_continues_until_it_ends(
    prepare: Prepare, alice: User, office: ProtectedResource
) -> None:
    plan = prepare()
    old = plan.request
    for mitigation in mitigations_of(old):
        holds(mitigation)
    # Changed before the portal learned that a provider had activated it.
    changed = Submission(resources=(office.pk,))
    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), submission=changed)
    acting, idle = mitigations_of(old)
    says(acting, 2)
    for mitigation in mitigations_of(again(plan).request):
        holds(mitigation)

    services.finish_changes()

    assert [mitigation.wanted for mitigation in mitigations_of(old)] == ["active", "withdrawn"]
    assert [one.pk for one in queries.filtering_for_earlier(again(plan))] == [acting.pk]
    says(acting, 8)
    services.finish_changes()
    assert {mitigation.wanted for mitigation in mitigations_of(old)} == {"withdrawn"}
    assert idle.pk != acting.pk


def test_turning_a_plan_off_stops_filtering_for_its_replaced_versions(
    prepare: Prepare, alice: User, office: ProtectedResource
) -> None:
    plan = prepare()
    old = plan.request
    for mitigation in mitigations_of(old):
        holds(mitigation)
    changed = Submission(resources=(office.pk,))
    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), submission=changed)
    says(mitigations_of(old)[0], 2)

    services.turn_off(plan_id=plan.pk, actor=Actor.person(alice))

    assert {mitigation.wanted for mitigation in mitigations_of(old)} == {"withdrawn"}
