"""A lost phone: two admins together, and never one alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, Authenticator, User
from portal.core.errors import Conflict, Invalid, NotFound, PortalError
from portal.events.models import Event, EventType
from portal.organizations import lost_phones, members
from portal.organizations.models import FactorReset, Organization, Role
from tests.conftest import ApiOf, ClientOf
from tests.factories import MembershipFactory, member
from tests.portal.organizations.mails import mails_to

ORIGIN = "https://portal.example"
ADDRESS = "192.0.2.1"
REASON = "Called back at the number in the directory"


@pytest.fixture
def ada(acme: Organization) -> User:
    return member("ada", acme, Role.ADMIN, email="ada@example.com")


@pytest.fixture(autouse=True)
def _address_of_bob(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")


def start(acme: Organization, alice: User, bob: User) -> FactorReset:
    return lost_phones.start(
        organization=acme, user_id=bob.pk, actor=Actor.person(alice), reason=REASON, origin=ORIGIN
    )


def confirm(acme: Organization, by: User, bob: User) -> None:
    lost_phones.confirm(organization=acme, user_id=bob.pk, actor=Actor.person(by), address=ADDRESS)


def has_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user).exists()


def test_a_second_admin_confirms_and_the_person_gets_two_mails(
    acme: Organization, alice: User, ada: User, bob: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    api_of(bob)
    page = f"/organizations/acme/settings/members/{bob.pk}/lost-phone"
    client_of(alice).post(page, {"reason": REASON})
    assert has_factor(bob), "nothing has changed yet"
    [asked] = mails_to("ada@example.com")
    assert (
        f"{ORIGIN.replace('https', 'http').replace('portal.example', 'testserver')}{page}" in asked
    )
    second = client_of(ada)
    assert REASON in second.get(page).content.decode()

    second.post(f"{page}/confirm")

    assert not has_factor(bob)
    assert not ApiToken.objects.filter(user=bob).exists()
    started, done = mails_to("bob@example.com")
    assert "Nothing has changed yet" in started
    assert "alice asked to reset your second factor in Acme, and ada confirmed it." in done
    assert list(Event.objects.values_list("type", "actor__username")) == [
        (EventType.MEMBER_FACTOR_RESET_STARTED, "alice"),
        (EventType.MEMBER_SECOND_FACTOR_RESET, "ada"),
    ]


def test_the_admin_who_asked_cannot_confirm(
    acme: Organization, alice: User, ada: User, bob: User
) -> None:
    start(acme, alice, bob)

    with pytest.raises(Conflict) as caught:
        confirm(acme, alice, bob)

    assert caught.value.code == "second-admin-needed"
    assert has_factor(bob)


def test_the_person_cannot_confirm(acme: Organization, alice: User, ada: User) -> None:
    third = member("third", acme, Role.ADMIN)
    start(acme, alice, ada)

    with pytest.raises(Conflict):
        confirm(acme, ada, ada)
    confirm(acme, third, ada)

    assert not has_factor(ada)


def nothing_started(acme: Organization, alice: User, bob: User) -> None:
    """No one asked."""


def expired(acme: Organization, alice: User, bob: User) -> None:
    start(acme, alice, bob)
    FactorReset.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def canceled(acme: Organization, alice: User, bob: User) -> None:
    start(acme, alice, bob)
    lost_phones.cancel(organization=acme, user_id=bob.pk, actor=Actor.person(bob))


def done_already(acme: Organization, alice: User, bob: User) -> None:
    start(acme, alice, bob)
    confirm(acme, User.objects.get(username="ada"), bob)


def asked_by_a_removed_admin(acme: Organization, alice: User, bob: User) -> None:
    start(acme, alice, bob)
    members.remove(organization=acme, user_id=alice.pk, actor=Actor.person(alice))


@pytest.mark.parametrize(
    "before", [nothing_started, expired, canceled, done_already, asked_by_a_removed_admin]
)
def test_nothing_is_left_to_confirm(
    acme: Organization, alice: User, ada: User, bob: User, before: object
) -> None:
    before(acme, alice, bob)  # type: ignore[operator]

    with pytest.raises(NotFound):
        confirm(acme, ada, bob)


def oneself(acme: Organization, alice: User, bob: User, globex: Organization) -> str:
    User.objects.filter(pk=bob.pk).update(username="unused")
    bob.pk = alice.pk
    return "not-your-own"


def of_two_organizations(acme: Organization, alice: User, bob: User, globex: Organization) -> str:
    MembershipFactory.create(user=bob, organization=globex)
    return "operator-must-reset"


def of_staff(acme: Organization, alice: User, bob: User, globex: Organization) -> str:
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    return "operator-must-reset"


def without_a_second_admin(acme: Organization, alice: User, bob: User, globex: Organization) -> str:
    User.objects.filter(username="ada").delete()
    return "no-second-admin"


def twice(acme: Organization, alice: User, bob: User, globex: Organization) -> str:
    start(acme, alice, bob)
    return "reset-waits"


@pytest.mark.parametrize(
    "prepare", [oneself, of_two_organizations, of_staff, without_a_second_admin, twice]
)
def test_some_resets_cannot_be_asked_for(
    acme: Organization, globex: Organization, alice: User, ada: User, bob: User, prepare: object
) -> None:
    code = prepare(acme, alice, bob, globex)  # type: ignore[operator]

    with pytest.raises(PortalError) as caught:
        start(acme, alice, bob)

    assert caught.value.code == code
    assert "Globex" not in caught.value.message


def test_joining_another_organization_meanwhile_prevents_the_reset(
    acme: Organization, globex: Organization, alice: User, ada: User, bob: User
) -> None:
    start(acme, alice, bob)
    MembershipFactory.create(user=bob, organization=globex)

    with pytest.raises(Conflict):
        confirm(acme, ada, bob)

    assert has_factor(bob)


@pytest.mark.parametrize("reason", ["", "phone", "x" * 501, " " * 20])
def test_a_reason_is_required(
    acme: Organization, alice: User, ada: User, bob: User, reason: str
) -> None:
    with pytest.raises(Invalid):
        lost_phones.start(
            organization=acme, user_id=bob.pk, actor=Actor.person(alice), reason=reason,
            origin=ORIGIN,
        )  # fmt: skip


def test_the_api_does_the_same(
    acme: Organization, alice: User, ada: User, bob: User, api_of: ApiOf
) -> None:
    url = f"/api/v1/organizations/acme/members/{bob.pk}/lost-phone"

    asked = api_of(alice).post(url, {"reason": REASON}, format="json")
    own = api_of(alice).post(f"{url}/confirm")
    confirmed = api_of(ada).post(f"{url}/confirm")

    assert (asked.status_code, asked.json()["started_by"]) == (201, "alice")
    assert (own.status_code, own.json()["code"]) == (409, "second-admin-needed")
    assert confirmed.status_code == 204
    assert not has_factor(bob)
