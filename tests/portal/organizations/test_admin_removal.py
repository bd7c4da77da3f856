"""Staff replace the last admin of an organization: they invite another one and remove the first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.core.errors import Conflict
from portal.events.acts import record_acts
from portal.organizations import admin_removal, founding
from portal.organizations.models import Invitation, Membership, Organization, Role
from tests.conftest import ApiOf, ClientOf
from tests.factories import member
from tests.portal.organizations.mails import mails_to

PAGE = "/portal/organizations/acme/"
API = "/api/v1/organizations/acme/admins"
REASON = "She left the company in October"


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    return client_of(mo)


@pytest.fixture
def ada(acme: Organization) -> User:
    return member("ada", acme, Role.ADMIN, email="ada@example.com")


@pytest.fixture(autouse=True)
def _address_of_alice(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")


def is_member(user: User) -> bool:
    return Membership.objects.filter(user=user).exists()


def invite(mo: User, acme: Organization) -> Invitation:
    return founding.invite_admin(
        organization=acme,
        actor=Actor.person(mo),
        email="next@example.com",
        origin="https://portal.example",
    )


def test_the_last_admin_goes_once_another_one_is_invited(
    staff: Client, acme: Organization, alice: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    browser = client_of(alice)
    api_of(alice)
    remove = f"{PAGE}admins/{alice.pk}/remove"
    asked = staff.get(remove).content.decode()
    refused = staff.post(remove, {"reason": REASON})

    staff.post(PAGE, {"email": "next@example.com"})
    answer = staff.post(remove, {"reason": REASON}, follow=True)
    record_acts()

    assert "First invite another one" in asked
    assert refused.status_code == 409
    assert "alice is not a member of Acme any more." in answer.content.decode()
    assert not is_member(alice)
    assert browser.get("/organizations/acme/")["Location"].startswith("/sign-in")
    assert not ApiToken.objects.filter(user=alice).exists()
    [mail] = mails_to("alice@example.com")
    assert "ended your membership in Acme" in mail
    assert REASON in mail
    entry = AuditEntry.objects.get(organization_id=acme.pk, verb="member.removed")
    assert (entry.object_name, entry.reason, entry.is_by_staff) == ("alice", REASON, True)


def test_the_other_admins_get_a_mail(
    mo: User, acme: Organization, alice: User, ada: User, api_of: ApiOf
) -> None:
    answer = api_of(mo).post(f"{API}/{alice.pk}/remove", {"reason": REASON}, format="json")

    assert answer.status_code == 204
    [mail] = mails_to("ada@example.com")
    assert mail.startswith("alice is no longer an admin of Acme\n")
    assert REASON in mail


def no_longer_valid() -> None:
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def revoked() -> None:
    Invitation.objects.update(revoked_at=timezone.now())


def of_another_role() -> None:
    Invitation.objects.update(role=Role.VIEWER)


def by_the_admin() -> None:
    """It would end with the role of the admin who sent it."""
    Invitation.objects.update(is_by_staff=False)


@pytest.mark.parametrize("spoil", [no_longer_valid, revoked, of_another_role, by_the_admin])
def test_an_invitation_that_makes_no_admin_is_no_successor(
    mo: User, acme: Organization, alice: User, spoil: object
) -> None:
    invite(mo, acme)
    spoil()  # type: ignore[operator]

    with pytest.raises(Conflict) as caught:
        admin_removal.remove_admin(
            organization=acme,
            user_id=alice.pk,
            actor=Actor.person(mo),
            reason=REASON,
            address="192.0.2.1",
        )

    assert caught.value.code == "no-successor"
    assert is_member(alice)


def test_an_admin_who_cannot_sign_in_is_no_successor_but_can_be_removed(
    mo: User, acme: Organization, alice: User, ada: User, api_of: ApiOf
) -> None:
    ada.authenticator_set.all().delete()
    api = api_of(mo)

    last = api.post(f"{API}/{alice.pk}/remove", {"reason": REASON}, format="json")
    other = api.post(f"{API}/{ada.pk}/remove", {"reason": REASON}, format="json")

    assert (last.status_code, last.json()["code"]) == (409, "no-successor")
    assert other.status_code == 204
    assert is_member(alice)


def test_staff_remove_admins_only(
    staff: Client, mo: User, bob: User, charlie: User, ada: User, api_of: ApiOf
) -> None:
    api = api_of(mo)
    for other in (bob, charlie, mo):
        page = staff.get(f"{PAGE}admins/{other.pk}/remove")
        posted = staff.post(f"{PAGE}admins/{other.pk}/remove", {"reason": REASON})
        called = api.post(f"{API}/{other.pk}/remove", {"reason": REASON}, format="json")
        assert {page.status_code, posted.status_code, called.status_code} == {404}, other
    assert is_member(bob)
    assert is_member(charlie)


@pytest.mark.parametrize("reason", ["", "too short", "x" * 501])
def test_every_door_asks_for_a_reason(
    staff: Client, mo: User, alice: User, ada: User, api_of: ApiOf, reason: str
) -> None:
    page = staff.post(f"{PAGE}admins/{alice.pk}/remove", {"reason": reason})
    called = api_of(mo).post(f"{API}/{alice.pk}/remove", {"reason": reason}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert is_member(alice)


def test_a_program_of_staff_lists_and_invites_admins(
    mo: User, acme: Organization, alice: User, bob: User, api_of: ApiOf
) -> None:
    api = api_of(mo)

    invited = api.post(API, {"email": "next@example.com"}, format="json")
    listed = api.get(API).json()
    place = f"{API}/invitations/{invited.json()['id']}"
    revoked, twice = api.delete(place), api.delete(place)

    assert invited.status_code == 201
    assert [one["username"] for one in listed["results"]] == ["alice"]
    assert [one["email"] for one in listed["invitations"]] == ["next@example.com"]
    assert (revoked.status_code, twice.status_code) == (204, 404)


def test_each_change_needs_a_fresh_factor(
    mo: User, acme: Organization, alice: User, api_of: ApiOf
) -> None:
    invitation, api = invite(mo, acme), api_of(mo)
    ApiToken.objects.update(factor_at=None)

    answers = [
        api.post(API, {"email": "other@example.com"}, format="json"),
        api.delete(f"{API}/invitations/{invitation.pk}"),
        api.post(f"{API}/{alice.pk}/remove", {"reason": REASON}, format="json"),
    ]

    assert {one.json()["code"] for one in answers} == {"fresh-factor-required"}
