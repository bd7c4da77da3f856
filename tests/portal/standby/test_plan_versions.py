"""Changes of a plan: each provider holds the old version until it holds the new one."""

from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.mitigations import queries as mitigation_queries
from portal.mitigations.validation import Submission
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from portal.standby import queries, services
from tests.portal.standby.conftest import (
    Prepare,
    again,
    holds,
    mitigations_of,
    says,
    statuses,
)

pytestmark = pytest.mark.sqlite


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


def test_renaming_a_plan_sends_nothing(prepare: Prepare, alice: User) -> None:
    plan = prepare()

    services.change_plan(plan_id=plan.pk, actor=Actor.person(alice), name="Shop")

    renamed = again(plan)
    assert (renamed.name, renamed.request.name) == ("Shop", "Shop")
    assert renamed.request_id == plan.request_id


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
