"""A colleague joins the staff by the link of a mail."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import PORTAL_CHAIN, AuditEntry
from portal.core.errors import Conflict, Invalid, NotFound, PortalError
from portal.organizations.models import Membership
from portal.staff import invitations, people
from portal.staff.models import StaffInvitation, StaffRole
from portal.staff.roles import role_of
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, UserFactory, app_code
from tests.portal.accounts.enrolling import shown_key
from tests.portal.organizations.mails import mails_to
from tests.portal.staff.conftest import Colleague

PAGE = "/portal/staff/"
API = "/api/v1/staff/invitations"
EMAIL = "rosa@portal.example"
ORIGIN = "https://portal.example"
ADDRESS = "192.0.2.1"


def invite(by: User, role: StaffRole = StaffRole.OPERATIONS) -> str:
    """The word of the link in the newest mail to rosa."""
    invitations.invite(actor=Actor.person(by), email=EMAIL, role=role, origin=ORIGIN)
    return newest_word()


def newest_word() -> str:
    found = re.findall(r"/staff-invitations/([\w-]+)", mails_to(EMAIL)[-1])
    return str(found[-1])


def accept(token: str, username: str = "rosa") -> User:
    return invitations.accept_as_new(
        token=token, username=username, password=PASSWORD, address=ADDRESS
    )


def verbs() -> list[str]:
    chain = AuditEntry.objects.filter(organization_id=PORTAL_CHAIN, verb__startswith="staff.")
    return list(chain.order_by("pk").values_list("verb", flat=True))


def test_a_new_colleague_joins_sets_up_a_factor_and_sees_the_portal(
    mo: User, colleague: Colleague, client_of: ClientOf
) -> None:
    colleague("ines")
    manager = client_of(mo)
    sent = manager.post(PAGE, {"email": EMAIL.upper(), "role": "operations"}, follow=True)
    assert f"A mail to {EMAIL} is on its way." in sent.content.decode()
    assert EMAIL in manager.get(PAGE).content.decode()
    link = f"/staff-invitations/{newest_word()}"

    browser = Client()
    page = " ".join(browser.get(link).content.decode().split())
    joined = browser.post(link, {"username": "rosa", "password": PASSWORD})
    key = shown_key(browser)
    browser.post(joined["Location"], {"code": app_code(key)})
    browser.post("/enrol/recovery-codes", {"saved": "on"})

    assert "Join the portal’s staff" in page
    assert "operations, who adds organizations" in page
    assert browser.get("/portal/organizations/").status_code == 200
    assert browser.get("/", follow=True).redirect_chain[-1][0] == "/portal/organizations/"
    rosa = User.objects.get(username="rosa")
    assert (rosa.email, role_of(rosa)) == (EMAIL, StaffRole.OPERATIONS)
    assert not Membership.objects.filter(user=rosa).exists()
    assert verbs() == ["staff.invited", "staff.joined"]
    for other in ("mo@portal.example", "ines@portal.example"):
        [mail] = mails_to(other)
        assert mail.startswith("rosa joined the staff of the portal")


def test_a_person_with_an_account_joins_with_one_button(
    mo: User, bob: User, client_of: ClientOf
) -> None:
    User.objects.filter(pk=bob.pk).update(email=EMAIL)
    link = f"/staff-invitations/{invite(mo)}"
    [mail] = mails_to(EMAIL)
    assert "Open this link and sign in to join:" in mail
    assert "set a password" not in mail
    browser = client_of(User.objects.get(pk=bob.pk))
    assert "Join as bob" in browser.get(link).content.decode()

    answer = browser.post(link)

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert role_of(User.objects.get(pk=bob.pk)) == StaffRole.OPERATIONS
    assert browser.get("/portal/organizations/").status_code == 200
    assert browser.get("/organizations/acme/").status_code == 200, "bob stays a member"


def test_another_person_cannot_use_the_link(mo: User, alice: User, client_of: ClientOf) -> None:
    link = f"/staff-invitations/{invite(mo)}"

    answer = client_of(alice).post(link)

    assert answer.status_code == 409
    assert not User.objects.get(pk=alice.pk).is_staff


def test_a_person_who_signs_in_only_at_an_identity_provider_cannot_join(
    mo: User, bob: User
) -> None:
    bob.email = EMAIL
    bob.set_unusable_password()
    bob.save()
    token = invite(mo)

    with pytest.raises(Conflict) as caught:
        invitations.accept(token=token, user=bob, address=ADDRESS)

    assert caught.value.code == "no-own-sign-in"
    assert not User.objects.get(pk=bob.pk).is_staff


def test_a_program_invites_and_accepts(mo: User, api_of: ApiOf) -> None:
    api = api_of(mo)
    invited = api.post(API, {"email": EMAIL, "role": "support"}, format="json")
    again = api.post(API, {"email": EMAIL, "role": "support"}, format="json")
    place = f"{API}/{invited.json()['id']}"
    first = newest_word()
    sent = api.post(f"{place}/send-again")
    body = {"username": "rosa", "password": PASSWORD}

    old = Client().post(f"{API}/accept", body | {"token": first}, "application/json")
    new = Client().post(f"{API}/accept", body | {"token": newest_word()}, "application/json")

    assert (invited.status_code, sent.status_code) == (201, 200)
    assert (again.status_code, again.json()["code"]) == (400, "already-invited")
    assert (old.status_code, old.json()["code"]) == (410, "invitation-ended")
    assert (new.status_code, new.json()["role"]) == (201, "support")
    assert api.delete(place).status_code == 404, "it was accepted"


def used(mo: User) -> None:
    accept(newest_word())


def revoked(mo: User) -> None:
    invitation = StaffInvitation.objects.get()
    invitations.revoke(invitation_id=invitation.pk, actor=Actor.person(mo))


def replaced(mo: User) -> None:
    invitation = StaffInvitation.objects.get()
    invitations.send_again(
        invitation_id=invitation.pk, actor=Actor.person(mo), origin="https://portal.example"
    )


def expired(mo: User) -> None:
    StaffInvitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def by_a_deactivated_manager(mo: User) -> None:
    User.objects.filter(pk=mo.pk).update(is_active=False)


def by_a_manager_whom_the_emergency_site_demoted(mo: User) -> None:
    User.objects.filter(pk=mo.pk).update(is_superuser=False)


@pytest.mark.parametrize(
    "spoil",
    [
        used,
        revoked,
        replaced,
        expired,
        by_a_deactivated_manager,
        by_a_manager_whom_the_emergency_site_demoted,
    ],
)
def test_a_link_that_has_ended_opens_nothing(mo: User, spoil: Any) -> None:
    token = invite(mo)
    spoil(mo)

    page = Client().get(f"/staff-invitations/{token}")
    with pytest.raises(PortalError) as caught:
        accept(token, "eve")

    assert page.status_code == 410
    assert caught.value.code == "invitation-ended"
    assert not User.objects.filter(username="eve").exists()


def test_the_two_kinds_of_links_do_not_mix(mo: User, alice: User) -> None:
    token = invite(mo)

    answers = [
        Client().get(f"/invitations/{token}"),
        Client().post(
            "/api/v1/invitations/accept",
            {"token": token, "username": "eve", "password": PASSWORD},
            "application/json",
        ),
    ]

    assert [one.status_code for one in answers] == [410, 410]


def test_a_colleague_is_not_invited_twice(mo: User, colleague: Colleague) -> None:
    colleague("rosa")

    with pytest.raises(Invalid) as caught:
        invite(mo)

    assert caught.value.code == "already-staff"


def test_an_expired_invitation_makes_room_for_a_new_one(mo: User) -> None:
    invite(mo)
    expired(mo)

    token = invite(mo, StaffRole.SUPPORT)

    assert role_of(accept(token)) == StaffRole.SUPPORT


def test_a_person_who_joined_meanwhile_does_not_join_again(mo: User, colleague: Colleague) -> None:
    token = invite(mo)
    rosa = colleague("rosa", StaffRole.SUPPORT)

    with pytest.raises(Conflict):
        invitations.accept(token=token, user=rosa, address=ADDRESS)

    assert role_of(User.objects.get(pk=rosa.pk)) == StaffRole.SUPPORT


@pytest.mark.parametrize("email", ["", "rosa", "a@b", "a b@c.example", "x" * 250 + "@c.example"])
def test_every_door_refuses_a_wrong_address(
    mo: User, client_of: ClientOf, api_of: ApiOf, email: str
) -> None:
    page = client_of(mo).post(PAGE, {"email": email, "role": "support"})
    called = api_of(mo).post(API, {"email": email, "role": "support"}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert not StaffInvitation.objects.exists()


def test_a_portal_without_mail_saves_no_invitation(mo: User, settings: Any) -> None:
    settings.EMAIL_HOST = settings.EMAIL_FILE_PATH = ""

    with pytest.raises(PortalError) as caught:
        invitations.invite(
            actor=Actor.person(mo), email=EMAIL, role=StaffRole.SUPPORT, origin=ORIGIN
        )

    assert caught.value.code == "mail-not-configured"
    assert not StaffInvitation.objects.exists()


def test_a_colleague_who_left_can_be_invited_again(mo: User, colleague: Colleague) -> None:
    rosa = colleague("rosa")
    people.end(user_id=rosa.pk, actor=Actor.person(mo), address=ADDRESS)
    token = invite(mo, StaffRole.SUPPORT)

    back = invitations.accept(token=token, user=User.objects.get(pk=rosa.pk), address=ADDRESS)

    assert role_of(back) == StaffRole.SUPPORT


def test_an_unknown_invitation_is_not_found(mo: User) -> None:
    with pytest.raises(NotFound):
        invitations.revoke(invitation_id=UserFactory.create().pk, actor=Actor.person(mo))
