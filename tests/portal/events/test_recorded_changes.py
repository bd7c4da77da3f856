"""The log of an organization records its changes with the names of members, but without names of
staff.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from portal import wording
from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.events.models import Event, EventType
from portal.organizations import founding
from portal.organizations import services as organizations
from portal.organizations.models import (
    Invitation,
    Membership,
    Organization,
    ProtectedResource,
    ResourceKind,
    Role,
)
from portal.providers import services as providers
from portal.providers.models import Provider, Subscription
from portal.wording.from_rows.events import event_facts, subjects_of
from portal.wording.organization_changes import SETTINGS
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory, UserFactory
from tests.portal.providers.identities import identity

Act = Callable[[Any, Organization, User], object]


def _add_member(request: Any, acme: Organization, mo: User) -> None:
    eve = UserFactory.create(username="eve")
    organizations.set_role(organization=acme, user=eve, role=Role.VIEWER, actor=mo)


def _change_role(request: Any, acme: Organization, mo: User) -> None:
    bob = request.getfixturevalue("bob")
    organizations.set_role(organization=acme, user=bob, role=Role.OPERATOR, actor=mo)


def _invite(request: Any, acme: Organization, mo: User) -> Invitation:
    return founding.invite_admin(
        organization=acme,
        actor=Actor.person(mo),
        email="eve@example.com",
        origin="https://portal.example",
    )


def _revoke_invitation(request: Any, acme: Organization, mo: User) -> None:
    invitation = _invite(request, acme, mo)
    Event.objects.all().delete()
    founding.revoke(organization=acme, invitation_id=invitation.pk, actor=Actor.person(mo))


def _remove_member(request: Any, acme: Organization, mo: User) -> None:
    bob = request.getfixturevalue("bob")
    organizations.remove_member(organization=acme, user=bob, actor=mo)


def _reset_factor(request: Any, acme: Organization, mo: User) -> None:
    bob = request.getfixturevalue("bob")
    accounts.reset_second_factor(user=bob, actor=mo, address="192.0.2.1")


def _add_resource(request: Any, acme: Organization, mo: User) -> None:
    organizations.add_resource(
        organization=acme,
        actor=Actor.person(mo),
        name="Shop",
        kind=ResourceKind.PREFIX,
        value="203.0.113.0/26",
        is_by_staff=True,
    )


def _verify_resource(request: Any, acme: Organization, mo: User) -> None:
    resource = ResourceFactory.create(
        organization=acme, name="Shop", value="203.0.113.0/26", verified_at=None
    )
    organizations.verify_resource(resource=resource, actor=mo, reason="of globex, once")


def _subscribe(request: Any, acme: Organization, mo: User) -> None:
    northgate = request.getfixturevalue("northgate")
    providers.subscribe(
        organization=acme, provider=northgate, identity=identity(), priority=1, actor=mo
    )


def _disable(request: Any, acme: Organization, mo: User) -> None:
    subscription = request.getfixturevalue("acme_northgate")
    providers.set_order(subscription=subscription, priority=1, enabled=False, actor=mo)


def _limit(request: Any, acme: Organization, mo: User) -> None:
    subscription = request.getfixturevalue("acme_northgate")
    providers.limit(
        subscription=subscription, prefixes=providers.limits_of(["203.0.113.0/26"]), actor=mo
    )


def _replace_certificate(request: Any, acme: Organization, mo: User) -> None:
    subscription = request.getfixturevalue("acme_northgate")
    providers.replace_certificate(subscription=subscription, identity=identity(), actor=mo)


def _change_settings(request: Any, acme: Organization, mo: User) -> None:
    acme.patience_s = 45
    organizations.change_settings(organization=acme, actor=mo)


ACTS: Final[dict[EventType, list[tuple[Act, dict[str, Any], str]]]] = {
    EventType.MEMBER_ADDED: [
        (_add_member, {"user": "eve", "role": "viewer"}, "Portal staff added eve as a viewer.")
    ],
    EventType.MEMBER_ROLE_CHANGED: [
        (
            _change_role,
            {"user": "bob", "role": "operator", "previous": "viewer"},
            "Portal staff made bob an operator.",
        )
    ],
    EventType.MEMBER_INVITED: [
        (
            _invite,
            {"email": "eve@example.com", "role": "admin"},
            "Portal staff invited eve@example.com as an admin.",
        )
    ],
    EventType.MEMBER_INVITATION_REVOKED: [
        (
            _revoke_invitation,
            {"email": "eve@example.com"},
            "Portal staff revoked the invitation of eve@example.com.",
        )
    ],
    EventType.MEMBER_REMOVED: [
        (_remove_member, {"user": "bob", "role": "viewer"}, "Portal staff removed bob.")
    ],
    EventType.MEMBER_SECOND_FACTOR_RESET: [
        (_reset_factor, {"user": "bob"}, "Portal staff reset the second factor of bob.")
    ],
    EventType.RESOURCE_ADDED: [
        (
            _add_resource,
            {"name": "Shop", "kind": "prefix", "value": "203.0.113.0/26"},
            "Portal staff added the resource Shop (203.0.113.0/26).",
        )
    ],
    EventType.RESOURCE_VERIFIED: [
        (
            _verify_resource,
            {"name": "Shop"},
            "Portal staff verified the resource Shop (203.0.113.0/26).",
        )
    ],
    EventType.SUBSCRIPTION_ADDED: [
        (_subscribe, {"provider": "Northgate"}, "Portal staff added the provider Northgate.")
    ],
    EventType.SUBSCRIPTION_CHANGED: [
        (
            _disable,
            {"changed": {"enabled": {"from": True, "to": False}}},
            "Portal staff changed the settings for Northgate.",
        ),
        (
            _limit,
            {"changed": {"limited_to": {"from": [], "to": ["203.0.113.0/26"]}}},
            "Portal staff changed the settings for Northgate.",
        ),
    ],
    EventType.SUBSCRIPTION_CERTIFICATE_REPLACED: [
        (
            _replace_certificate,
            {"provider": "Northgate"},
            "Portal staff replaced the client certificate for Northgate.",
        )
    ],
    EventType.ORGANIZATION_CHANGED: [
        (
            _change_settings,
            {"changed": {"patience_s": {"from": 10, "to": 45}}},
            "Portal staff changed the organization’s settings.",
        )
    ],
}


@pytest.mark.parametrize(
    ("type", "act", "data", "words"),
    [(type, *row) for type, rows in ACTS.items() for row in rows],
)
def test_a_staff_action_is_one_event_without_the_staff_members_name(
    request: pytest.FixtureRequest,
    acme: Organization,
    alice: User,
    bob: User,
    mo: User,
    api_of: ApiOf,
    type: EventType,
    act: Act,
    data: dict[str, Any],
    words: str,
) -> None:
    act(request, acme, mo)

    [event] = Event.objects.all()
    assert (event.type, event.organization_id, event.actor) == (type, acme.pk, mo)
    assert {"by": "staff", **data}.items() <= event.data.items()
    assert "mo" not in event.data.values()
    assert "once" not in str(event.data), "the reason can name other tenants"
    entry = wording.entry(event_facts(event, subjects_of([event])))
    assert entry is not None
    assert entry.what == words
    [shown] = api_of(alice).get("/api/v1/organizations/acme/events").json()["results"]
    assert (shown["type"], shown["data"]) == (type, event.data)


def test_every_change_has_an_action_code() -> None:
    about = ("member.", "resource.", "subscription.", "organization.")
    by_members = {
        EventType.MEMBER_JOINED,
        EventType.MEMBER_FACTOR_RESET_STARTED,
        EventType.MEMBER_FACTOR_RESET_CANCELED,
    }
    # tests/portal/ownership shows who does these.
    of_claims = {
        EventType.RESOURCE_RENAMED,
        EventType.RESOURCE_REMOVED,
        EventType.RESOURCE_CHECKED,
        EventType.RESOURCE_WAITING,
        EventType.RESOURCE_REFUSED,
        EventType.RESOURCE_PROOF_MISSING,
        EventType.RESOURCE_UNVERIFIED,
    }
    # tests/portal/connections shows who does these.
    of_connections = {
        EventType.SUBSCRIPTION_KEY_MADE,
        EventType.SUBSCRIPTION_KEY_DISCARDED,
        EventType.SUBSCRIPTION_CERTIFICATE_ADDED,
        EventType.SUBSCRIPTION_REMOVED,
    }
    # tests/portal/organizations/test_suspension.py shows who does these.
    of_suspensions = {EventType.ORGANIZATION_SUSPENDED, EventType.ORGANIZATION_RESUMED}
    elsewhere = by_members | of_claims | of_connections | of_suspensions
    assert {type for type in EventType if type.startswith(about)} - elsewhere == ACTS.keys()


def test_the_acting_member_is_named(dana: User, acme: Organization, api_of: ApiOf) -> None:
    body = {"name": "Shop", "kind": "prefix", "value": "203.0.113.0/26"}
    for _ in range(2):
        answer = api_of(dana).post(
            "/api/v1/organizations/acme/resources", body, HTTP_IDEMPOTENCY_KEY="one"
        )
        assert answer.status_code in (200, 201), answer.json()

    [event] = Event.objects.filter(type=EventType.RESOURCE_ADDED)
    assert (event.actor, event.data["actor"]) == (dana, "dana")
    assert "by" not in event.data


def test_an_unchanged_save_records_no_event(
    acme: Organization, bob: User, mo: User, acme_northgate: Subscription
) -> None:
    organizations.set_role(organization=acme, user=bob, role=Role.VIEWER, actor=mo)
    organizations.remove_member(organization=acme, user=mo, actor=mo)
    organizations.change_settings(organization=acme, actor=mo)
    providers.set_order(subscription=acme_northgate, priority=1, enabled=True, actor=mo)
    providers.limit(subscription=acme_northgate, prefixes=[], actor=mo)

    assert not Event.objects.exists()


def test_a_refused_change_records_no_event(
    acme: Organization, dana: User, mo: User, shop: ProtectedResource, northgate: Provider
) -> None:
    broad = ResourceFactory.create(
        organization=acme, name="All", value="0.0.0.0/1", verified_at=None
    )
    with pytest.raises(Invalid):
        organizations.add_resource(
            organization=acme,
            actor=Actor.person(dana),
            name=shop.name,
            kind=ResourceKind.PREFIX,
            value=shop.value,
        )
    with pytest.raises(Invalid):
        organizations.verify_resource(resource=broad, actor=mo)
    wrong = providers.Identity(
        certificate_chain=identity().certificate_chain, private_key=identity().private_key
    )
    with pytest.raises(Invalid):
        providers.subscribe(
            organization=acme, provider=northgate, identity=wrong, priority=1, actor=mo
        )

    assert not Event.objects.exists()


def test_each_setting_has_a_name_for_people() -> None:
    assert set(organizations.SETTINGS) <= set(SETTINGS)


def test_a_factor_reset_is_recorded_in_each_organization_of_the_person(
    acme: Organization, globex: Organization, bob: User, mo: User
) -> None:
    Membership.objects.create(organization=globex, user=bob, role=Role.VIEWER)

    accounts.reset_second_factor(user=bob, actor=mo, address="192.0.2.1")

    events = Event.objects.filter(type=EventType.MEMBER_SECOND_FACTOR_RESET)
    assert {event.organization_id for event in events} == {acme.pk, globex.pk}


def test_the_staff_site_records_who_acted(
    acme: Organization, bob: User, mo: User, client_of: ClientOf
) -> None:
    browser = client_of(mo)
    membership = Membership.objects.get(user=bob)
    settings = {
        "name": "Acme", "slug": "acme", "is_active": "on", "patience_s": 45,
        "default_lifetime_s": acme.default_lifetime_s, "max_lifetime_s": acme.max_lifetime_s,
        "late_acceptance": acme.late_acceptance, "max_live_requests": 100,
        "max_live_requests_per_person": 20, "approval": "never", "approval_prefix_v4": 24,
        "approval_prefix_v6": 48, "approval_wait_s": 1800,
    }  # fmt: skip

    browser.post(f"/admin/organizations/membership/{membership.pk}/change/", {"role": "operator"})
    browser.post(f"/admin/organizations/organization/{acme.pk}/change/", settings)
    browser.post(f"/admin/organizations/membership/{membership.pk}/delete/", {"post": "yes"})

    events = list(Event.objects.values_list("type", "actor__username", "data__by"))
    assert events == [
        (EventType.MEMBER_ROLE_CHANGED, "mo", "staff"),
        (EventType.ORGANIZATION_CHANGED, "mo", "staff"),
        (EventType.MEMBER_REMOVED, "mo", "staff"),
    ]
