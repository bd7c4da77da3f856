from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.ownership import services
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.factories import ResourceFactory


@pytest.mark.parametrize("is_ticked", [True, False], ids=["ticked", "typed inside it"])
def test_a_resource_under_a_live_request_is_not_removed(
    is_ticked: bool,
    dana: User,
    alice: User,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
) -> None:
    submission = (
        Submission(resources=(shop.pk,)) if is_ticked else Submission(prefixes=("203.0.113.7/32",))
    )
    mitigations.submit(organization=acme, actor=Actor.person(dana), submission=submission)

    with pytest.raises(Conflict) as refused:
        services.remove_resource(resource=shop, actor=alice)

    assert refused.value.code == "resource-in-use"
    assert ProtectedResource.objects.filter(pk=shop.pk).exists()


def test_a_resource_that_a_plan_names_is_not_removed_although_the_plan_is_off(
    dana: User,
    alice: User,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
) -> None:
    plan = standby.create_plan(
        organization=acme,
        actor=Actor.person(dana),
        name="Full flood",
        submission=Submission(resources=(shop.pk,)),
    )
    standby.turn_off(plan_id=plan.pk, actor=Actor.person(dana))
    MitigationRequest.objects.update(status="terminated")

    with pytest.raises(Conflict, match="Full flood"):
        services.remove_resource(resource=shop, actor=alice)


def test_a_resource_that_another_one_covers_can_be_removed_under_a_live_request(
    dana: User,
    alice: User,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
) -> None:
    ResourceFactory.create(organization=acme, name="All", value="203.0.113.0/24")
    mitigations.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )

    services.remove_resource(resource=shop, actor=alice)

    assert not ProtectedResource.objects.filter(pk=shop.pk).exists()
    event = Event.objects.get(type="resource.removed")
    assert (event.data["actor"], event.data["value"]) == ("alice", "203.0.113.0/26")


def test_a_new_name_must_be_free(dana: User, acme: Organization, shop: ProtectedResource) -> None:
    other = ResourceFactory.create(organization=acme, name="Other", value="198.51.100.0/24")

    with pytest.raises(Invalid) as refused:
        services.rename_resource(resource=other, actor=dana, name=shop.name)
    services.rename_resource(resource=other, actor=dana, name=" Office ")

    assert refused.value.errors[0].code == "name-exists"
    assert ProtectedResource.objects.get(pk=other.pk).name == "Office"
    assert Event.objects.get().data["former_name"] == "Other"
