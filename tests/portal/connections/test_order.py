"""The order of providers, and the end of a connection."""

from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.connections import services
from portal.core import secrets
from portal.core.errors import Conflict, NotFound
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers import queries
from portal.providers import services as providers
from portal.providers.models import ClientKey, Provider, Subscription
from tests.factories import ProviderFactory, SubscriptionFactory
from tests.portal.providers.identities import identity


@pytest.fixture
def by(alice: User) -> Actor:
    return Actor.person(alice)


@pytest.fixture
def three(acme: Organization) -> list[Subscription]:
    return [
        SubscriptionFactory.create(
            organization=acme, provider=ProviderFactory.create(short_name=name), priority=priority
        )
        for name, priority in (("A", 1), ("B", 5), ("C", 9))
    ]


def order(organization: Organization) -> str:
    return "".join(one.provider.short_name for one in queries.connected(organization))


def test_a_provider_moves_up_and_down(
    acme: Organization, three: list[Subscription], by: Actor
) -> None:
    services.move(subscription=three[2], is_up=True, actor=by)
    assert order(acme) == "ACB"

    services.move(subscription=three[0], is_up=False, actor=by)
    assert order(acme) == "CAB"


def test_the_first_cannot_move_up(three: list[Subscription], by: Actor) -> None:
    with pytest.raises(Conflict, match="is the first one already"):
        services.move(subscription=three[0], is_up=True, actor=by)
    with pytest.raises(Conflict, match="is the last one already"):
        services.move(subscription=three[2], is_up=False, actor=by)


@pytest.mark.parametrize(("at", "expected"), [(1, "CAB"), (2, "ACB"), (3, "ABC"), (99, "ABC")])
def test_a_program_names_the_place(
    acme: Organization, three: list[Subscription], by: Actor, at: int, expected: str
) -> None:
    services.place(subscription=three[2], at=at, actor=by)

    assert order(acme) == expected


def test_a_provider_can_be_left_out(three: list[Subscription], by: Actor) -> None:
    services.set_asked(subscription=three[0], is_asked=False, actor=by)

    assert not Subscription.objects.get(pk=three[0].pk).enabled


def test_another_organization_moves_nothing(
    acme: Organization, three: list[Subscription], charlie: User
) -> None:
    with pytest.raises(NotFound):
        services.move(subscription=three[2], is_up=True, actor=Actor.person(charlie))
    with pytest.raises(NotFound):
        services.disconnect(subscription=three[2], actor=Actor.person(charlie))

    assert order(acme) == "ABC"


def test_a_disconnected_provider_is_forgotten_except_for_its_history(
    acme: Organization, acme_northgate: Subscription, by: Actor
) -> None:
    services.disconnect(subscription=acme_northgate, actor=by)

    kept = Subscription.objects.get()
    assert (kept.enabled, kept.certificate_chain) == (False, "")
    assert secrets.decrypt(kept.private_key) == b""
    assert order(acme) == ""
    assert Event.objects.filter(type="subscription.removed", actor=by.user).exists()
    with pytest.raises(Conflict, match="is disconnected"):
        providers.set_order(subscription=kept, priority=1, enabled=True)


def test_a_disconnected_provider_can_be_connected_again(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    Subscription.objects.update(next_mid=7)
    services.disconnect(subscription=acme_northgate, actor=by)

    services.add_identity(organization=acme, provider=northgate, identity=identity(), actor=by)

    kept = Subscription.objects.get()
    assert kept.pk == acme_northgate.pk
    assert (kept.enabled, kept.priority, kept.next_mid) == (True, 1, 7)
    assert order(acme) == northgate.short_name


def test_a_provider_of_a_live_request_stays_connected(
    acme: Organization,
    acme_northgate: Subscription,
    shop: ProtectedResource,
    by: Actor,
) -> None:
    request = mitigations.submit(
        organization=acme, actor=by, submission=Submission(prefixes=("203.0.113.7/32",))
    )

    with pytest.raises(Conflict, match="is still needed by") as refused:
        services.disconnect(subscription=acme_northgate, actor=by)

    assert request.name in refused.value.message
    assert refused.value.code == "provider-in-use"
    assert Subscription.objects.get().enabled


def test_a_key_that_waits_goes_with_the_connection(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, by: Actor
) -> None:
    services.make_key(organization=acme, provider=northgate, actor=by)

    services.disconnect(subscription=acme_northgate, actor=by)

    assert not ClientKey.objects.exists()
