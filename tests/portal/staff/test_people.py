"""The portal's staff: their roles, who changes them, and how a colleague leaves."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, BrowserSession, User
from portal.audit.models import PORTAL_CHAIN, AuditEntry
from portal.core.errors import Conflict, NotAllowed, NotFound
from portal.organizations import acting
from portal.organizations.models import Organization, Role, StaffActing
from portal.staff import invitations, lost_phones, people
from portal.staff.models import StaffFactorReset, StaffInvitation, StaffRole
from portal.staff.roles import role_of
from tests.conftest import ApiOf, ClientOf
from tests.factories import MembershipFactory, UserFactory
from tests.portal.organizations.mails import mails_to
from tests.portal.staff.conftest import Colleague

PAGE = "/portal/staff/"
API = "/api/v1/staff"
ADDRESS = "192.0.2.1"
ORIGIN = "https://portal.example"


def role_now(user: User) -> StaffRole | None:
    return role_of(User.objects.get(pk=user.pk))


def entry(verb: str) -> AuditEntry:
    return AuditEntry.objects.get(organization_id=PORTAL_CHAIN, verb=verb)


CAN = {
    "list organizations": ("GET", "/api/v1/organizations", {}),
    "act for one": (
        "POST",
        "/api/v1/organizations/acme/acting",
        {"reason": "They called about it"},
    ),
    "rename one": ("PUT", "/api/v1/organizations/acme/name", {"name": "Acme Networks"}),
    "decide claims": ("GET", "/api/v1/claims", {}),
    "list invitations to the staff": ("GET", f"{API}/invitations", {}),
}


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (StaffRole.SUPPORT, ["list organizations", "act for one"]),
        (StaffRole.OPERATIONS, list(CAN)[:-1]),
        (StaffRole.MANAGER, list(CAN)),
    ],
)
def test_each_role_may_do_what_its_name_says(
    colleague: Colleague, acme: Organization, api_of: ApiOf, role: StaffRole, may: list[str]
) -> None:
    user = colleague("rosa", role)
    api = api_of(user)

    allowed = [
        name
        for name, (method, path, body) in CAN.items()
        if api.generic(method, path, *_json(body)).status_code < 400
    ]

    assert allowed == may
    assert role_now(user) == role


def _json(body: dict[str, Any]) -> tuple[str, str]:
    return json.dumps(body), "application/json"


def test_the_page_says_who_they_are_and_only_managers_see_addresses_and_forms(
    mo: User, colleague: Colleague, client_of: ClientOf, api_of: ApiOf
) -> None:
    rosa = colleague("rosa", StaffRole.SUPPORT)
    UserFactory.create(username="fresh", is_staff=True)

    for_mo = client_of(mo).get(PAGE).content.decode()
    for_rosa = client_of(rosa).get(PAGE).content.decode()

    assert "Has no second factor yet" in for_mo
    assert "Single permissions" in for_mo
    assert "Second factor: app." in for_mo
    assert "mo@portal.example" in for_mo
    assert "mo@portal.example" not in for_rosa
    assert "rosa@portal.example" in for_rosa, "one's own"
    assert "Send invitation" not in for_rosa
    assert "Change role" not in for_rosa
    shown = {one["username"]: one for one in api_of(rosa).get(API).json()["results"]}
    assert shown["mo"]["email"] == ""
    assert [shown[name]["role"] for name in ("mo", "rosa", "fresh")] == ["manager", "support", None]
    assert [shown[name]["has_second_factor"] for name in ("mo", "fresh")] == [True, False]


def test_another_role_replaces_all_rights_and_both_sides_get_a_mail(
    mo: User, colleague: Colleague, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    rosa = colleague("rosa", StaffRole.SUPPORT)
    colleague("ines")
    rosa.user_permissions.add(Permission.objects.get(codename="delete_provider"))

    with caplog.at_level(logging.INFO, "portal.security"):
        answer = client_of(mo).post(f"{PAGE}{rosa.pk}/role", {"role": "operations"}, follow=True)

    assert "The role of rosa is now Operations." in answer.content.decode()
    assert role_now(rosa) == StaffRole.OPERATIONS
    recorded = entry("staff.role_changed")
    assert (recorded.actor_name, recorded.object_name) == ("mo", "rosa")
    assert (recorded.before, recorded.after) == ({"role": None}, {"role": "operations"})
    [own] = mails_to("rosa@portal.example")
    assert "operations, who adds organizations" in own
    [other] = mails_to("ines@portal.example")
    assert "mo changed the role of rosa" in other
    assert mails_to("mo@portal.example") == []
    assert 'staff-changed user="rosa" role="operations" actor="mo"' in caplog.text


def test_the_same_role_changes_nothing(mo: User, colleague: Colleague) -> None:
    rosa = colleague("rosa", StaffRole.SUPPORT)

    people.change_role(
        user_id=rosa.pk, role=StaffRole.SUPPORT, actor=Actor.person(mo), address=ADDRESS
    )

    assert mails_to("rosa@portal.example") == []
    assert not AuditEntry.objects.filter(verb="staff.role_changed").exists()


def test_a_colleague_who_leaves_loses_everything_at_once(
    mo: User, acme: Organization, colleague: Colleague, client_of: ClientOf, api_of: ApiOf
) -> None:
    rosa = colleague("rosa", StaffRole.OPERATIONS)
    browser, api = client_of(rosa), api_of(rosa)
    acting.begin(
        slug="acme", user=rosa, credential=browser.session, reason="Their admin called about it"
    )
    assert browser.get("/organizations/acme/").status_code == 200

    manager = client_of(mo)
    asked = manager.get(f"{PAGE}{rosa.pk}/end").content.decode()
    answer = manager.post(f"{PAGE}{rosa.pk}/end", follow=True)

    assert "End the access of rosa as staff?" in " ".join(asked.split())
    assert "rosa no longer belongs to the staff." in answer.content.decode()
    assert browser.get("/organizations/acme/")["Location"].startswith("/sign-in")
    assert api.get("/api/v1/me").status_code == 401
    assert not ApiToken.objects.filter(user=rosa).exists()
    assert not BrowserSession.objects.filter(user=rosa).exists()
    assert StaffActing.objects.get().ended_because == "right"
    now = User.objects.get(pk=rosa.pk)
    assert (now.is_staff, now.is_active, now.get_all_permissions()) == (False, True, set())
    assert entry("staff.ended").before == {"role": "operations"}
    assert "mo ended your access" in mails_to("rosa@portal.example")[-1]


def test_a_colleague_who_is_a_member_too_stays_one(
    mo: User, acme: Organization, colleague: Colleague, client_of: ClientOf
) -> None:
    rosa = colleague("rosa")
    MembershipFactory.create(user=rosa, organization=acme, role=Role.VIEWER)

    people.end(user_id=rosa.pk, actor=Actor.person(mo), address=ADDRESS)

    assert client_of(User.objects.get(pk=rosa.pk)).get("/organizations/acme/").status_code == 200


def test_invitations_and_resets_end_with_the_role_of_the_manager_who_began_them(
    mo: User, colleague: Colleague
) -> None:
    rosa, ines = colleague("rosa"), colleague("ines", StaffRole.SUPPORT)
    own = {"actor": Actor.person(rosa), "origin": ORIGIN}
    invitations.invite(email="back@example.com", role=StaffRole.MANAGER, **own)  # type: ignore[arg-type]
    lost_phones.start(user_id=ines.pk, reason="Called back at a known number", **own)  # type: ignore[arg-type]

    people.change_role(
        user_id=rosa.pk, role=StaffRole.SUPPORT, actor=Actor.person(mo), address=ADDRESS
    )

    assert StaffInvitation.objects.get().revoked_at is not None
    assert not StaffFactorReset.objects.exists()
    assert entry("staff.invitation_revoked").object_name == "back@example.com"
    assert entry("staff.factor_reset_canceled").object_name == "ines"


@pytest.mark.parametrize("spoil", ["nobody else", "no factor", "deactivated", "other role"])
def test_the_last_manager_who_can_sign_in_stays(
    mo: User, colleague: Colleague, client_of: ClientOf, api_of: ApiOf, spoil: str
) -> None:
    if spoil != "nobody else":
        ines = colleague(
            "ines", StaffRole.OPERATIONS if spoil == "other role" else StaffRole.MANAGER
        )
        if spoil == "no factor":
            ines.authenticator_set.all().delete()
        User.objects.filter(pk=ines.pk).update(is_active=spoil != "deactivated")
    browser, api = client_of(mo), api_of(mo)

    before = browser.get(f"{PAGE}{mo.pk}/end").content.decode()
    demoted = browser.post(f"{PAGE}{mo.pk}/role", {"role": "support"}, follow=True)
    ended = browser.post(f"{PAGE}{mo.pk}/end")
    patched = api.patch(f"{API}/{mo.pk}", {"role": "support"}, format="json")
    deleted = api.delete(f"{API}/{mo.pk}")

    assert "mo is the last manager" in before
    assert "Leave now" not in before
    assert "mo is the last manager" in demoted.content.decode()
    assert ended.status_code == 409
    assert [one.json()["code"] for one in (patched, deleted)] == ["last-manager"] * 2
    assert role_now(mo) == StaffRole.MANAGER


def test_a_manager_may_leave_if_another_one_stays(
    mo: User, colleague: Colleague, client_of: ClientOf
) -> None:
    colleague("ines")
    browser = client_of(mo)

    before = browser.get(f"{PAGE}{mo.pk}/end").content.decode()
    answer = browser.post(f"{PAGE}{mo.pk}/end")

    assert "Leave now" in before
    assert "last manager" not in before
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in")
    assert not User.objects.get(pk=mo.pk).is_staff


@pytest.mark.parametrize("role", [StaffRole.SUPPORT, StaffRole.OPERATIONS])
def test_only_managers_change_the_staff(
    mo: User, colleague: Colleague, client_of: ClientOf, api_of: ApiOf, role: StaffRole
) -> None:
    rosa = colleague("rosa", role)
    browser, api = client_of(rosa), api_of(rosa)

    answers = [
        browser.post(PAGE, {"email": "x@example.com", "role": "manager"}),
        browser.post(f"{PAGE}{rosa.pk}/role", {"role": "manager"}),
        browser.post(f"{PAGE}{mo.pk}/end"),
        browser.get(f"{PAGE}{mo.pk}/end"),
        browser.get(f"{PAGE}{mo.pk}/lost-phone"),
        api.post(
            f"{API}/invitations", {"email": "x@example.com", "role": "manager"}, format="json"
        ),
        api.patch(f"{API}/{rosa.pk}", {"role": "manager"}, format="json"),
        api.delete(f"{API}/{mo.pk}"),
        api.post(f"{API}/{mo.pk}/lost-phone", {"reason": "Called back, really"}, format="json"),
    ]

    assert [one.status_code for one in answers] == [403] * len(answers)
    assert role_now(rosa) == role


def test_a_manager_whose_role_has_just_ended_changes_nothing(
    mo: User, colleague: Colleague
) -> None:
    """As a call has it that began while the right held."""
    rosa, ines = colleague("rosa"), colleague("ines", StaffRole.SUPPORT)
    people.change_role(
        user_id=rosa.pk, role=StaffRole.SUPPORT, actor=Actor.person(mo), address=ADDRESS
    )
    stale = Actor.person(rosa)
    assert stale.user is not None
    assert stale.user.is_superuser

    for act in (
        lambda: people.end(user_id=ines.pk, actor=stale, address=ADDRESS),
        lambda: invitations.invite(
            actor=stale, email="x@example.com", role=StaffRole.MANAGER, origin=ORIGIN
        ),
        lambda: lost_phones.start(
            user_id=ines.pk, actor=stale, reason="Called back, really", origin=ORIGIN
        ),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert role_now(ines) == StaffRole.SUPPORT


def test_only_members_of_the_staff_are_found(mo: User, bob: User, api_of: ApiOf) -> None:
    api = api_of(mo)

    answers = [
        api.patch(f"{API}/{bob.pk}", {"role": "manager"}, format="json"),
        api.delete(f"{API}/{bob.pk}"),
        api.post(f"{API}/{bob.pk}/lost-phone", {"reason": "Called back, really"}, format="json"),
    ]

    assert [one.status_code for one in answers] == [404] * 3
    with pytest.raises(NotFound):
        people.colleague_for(bob.pk)
    assert not User.objects.get(pk=bob.pk).is_staff


@pytest.mark.parametrize("role", ["", "superuser", "MANAGER", "admin"])
def test_every_door_refuses_an_unknown_role(
    mo: User, colleague: Colleague, client_of: ClientOf, api_of: ApiOf, role: str
) -> None:
    rosa, browser = colleague("rosa", StaffRole.SUPPORT), client_of(mo)

    page = browser.post(f"{PAGE}{rosa.pk}/role", {"role": role}, follow=True)
    invited = browser.post(PAGE, {"email": "x@example.com", "role": role})
    called = api_of(mo).patch(f"{API}/{rosa.pk}", {"role": role}, format="json")

    assert "Choose one of the roles." in page.content.decode()
    assert invited.status_code == 400
    assert called.status_code == 400
    assert role_now(rosa) == StaffRole.SUPPORT


def test_each_change_needs_a_fresh_factor(mo: User, colleague: Colleague, api_of: ApiOf) -> None:
    rosa, api = colleague("rosa"), api_of(mo)
    ApiToken.objects.update(factor_at=None)
    place = f"{API}/{rosa.pk}"

    answers = [
        api.patch(place, {"role": "support"}, format="json"),
        api.delete(place),
        api.post(f"{place}/lost-phone", {"reason": "Called back, really"}, format="json"),
        api.post(f"{place}/lost-phone/confirm"),
        api.post(
            f"{API}/invitations", {"email": "x@example.com", "role": "support"}, format="json"
        ),
    ]

    assert {one.json()["code"] for one in answers} == {"fresh-factor-required"}


def test_the_refusal_says_what_to_do_first(mo: User) -> None:
    with pytest.raises(Conflict) as caught:
        people.end(user_id=mo.pk, actor=Actor.person(mo), address=ADDRESS)

    assert "First give the role of manager to a colleague" in caught.value.message
