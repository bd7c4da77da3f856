"""Roles, and how members leave: what an admin may do, and what ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from django.test import Client
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts import access
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, Authenticator, User
from portal.core.errors import Conflict, NotAllowed, NotFound
from portal.events.models import Event, EventType
from portal.organizations import invitations, members
from portal.organizations.models import Invitation, Membership, Organization, Role
from tests.conftest import ApiOf, ClientOf
from tests.factories import MembershipFactory, UserFactory, member

PAGE = "/organizations/acme/settings/members"
ORIGIN = "https://portal.example"


def roles(organization: Organization) -> dict[str, str]:
    own = Membership.objects.filter(organization=organization)
    return dict(own.values_list("user__username", "role"))


@pytest.mark.parametrize(
    ("lower", "higher"), list(pairwise(Role)), ids=[one.value for one in Role][1:]
)
def test_each_role_includes_the_one_before_it(lower: Role, higher: Role) -> None:
    assert higher.covers(lower)
    assert not lower.covers(higher)


def test_an_approver_may_do_what_an_operator_may(
    acme: Organization, api_of: ApiOf, acme_northgate: object, shop: object
) -> None:
    approver = member("paul", acme, Role.APPROVER)
    body = {"targets": {"prefixes": ["203.0.113.8/32"]}}
    url = "/api/v1/organizations/acme"

    api = api_of(approver)

    assert api.post(f"{url}/mitigation-requests", body, format="json").status_code == 202
    assert api.get(f"{url}/invitations").status_code == 403


def no_other_admin(acme: Organization) -> None:
    """alice is the only one."""


def only_a_deactivated_one(acme: Organization) -> None:
    member("left", acme, Role.ADMIN, is_active=False)


def only_one_without_a_factor(acme: Organization) -> None:
    new = UserFactory.create(username="new")
    MembershipFactory.create(user=new, organization=acme, role=Role.ADMIN)


def only_one_of_another_organization(acme: Organization) -> None:
    from tests.factories import OrganizationFactory

    member("other", OrganizationFactory.create(slug="other"), Role.ADMIN)


@pytest.mark.parametrize(
    "others",
    [
        no_other_admin,
        only_a_deactivated_one,
        only_one_without_a_factor,
        only_one_of_another_organization,
    ],
)
def test_the_last_admin_who_can_sign_in_stays(
    acme: Organization, alice: User, others: Callable[[Organization], None]
) -> None:
    others(acme)
    actor = Actor.person(alice)

    with pytest.raises(Conflict) as demoted:
        members.change_role(organization=acme, user_id=alice.pk, role=Role.APPROVER, actor=actor)
    with pytest.raises(Conflict) as left:
        members.remove(organization=acme, user_id=alice.pk, actor=actor)

    assert [demoted.value.code, left.value.code] == ["last-admin", "last-admin"]
    assert roles(acme)["alice"] == "admin"
    assert not Event.objects.exists()


def test_one_of_two_admins_may_leave(acme: Organization, alice: User) -> None:
    member("ada", acme, Role.ADMIN)

    members.remove(organization=acme, user_id=alice.pk, actor=Actor.person(alice))

    assert roles(acme) == {"ada": "admin"}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER])
def test_only_admins_change_members(acme: Organization, alice: User, role: Role) -> None:
    actor = Actor.person(member("paul", acme, role))

    with pytest.raises(NotAllowed):
        members.change_role(organization=acme, user_id=alice.pk, role=Role.VIEWER, actor=actor)
    with pytest.raises(NotAllowed):
        members.remove(organization=acme, user_id=alice.pk, actor=actor)


def test_a_member_of_another_organization_is_not_found(
    acme: Organization, alice: User, charlie: User
) -> None:
    actor = Actor.person(alice)

    with pytest.raises(NotFound):
        members.remove(organization=acme, user_id=charlie.pk, actor=actor)
    with pytest.raises(NotFound):
        members.change_role(organization=acme, user_id=charlie.pk, role=Role.ADMIN, actor=actor)

    assert Membership.objects.filter(user=charlie).exists()


def test_a_removed_member_is_signed_out_everywhere(
    acme: Organization, alice: User, bob: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    browser, api = client_of(bob), api_of(bob)
    session_key = str(browser.session.session_key)
    assert access.user_of_session(session_key) == bob

    answer = client_of(alice).post(f"{PAGE}/{bob.pk}/remove")

    assert answer.status_code == 302
    assert api.get("/api/v1/me").status_code == 401
    assert access.user_of_session(session_key) is None
    assert not ApiToken.objects.filter(user=bob).exists()
    assert browser.get("/organizations/acme/")["Location"].startswith("/sign-in")
    [event] = Event.objects.all()
    assert (event.type, event.actor) == (EventType.MEMBER_REMOVED, alice)


def test_a_member_of_two_organizations_keeps_the_other_one(
    acme: Organization, globex: Organization, alice: User, bob: User, api_of: ApiOf
) -> None:
    MembershipFactory.create(user=bob, organization=globex)
    api = api_of(bob)

    members.remove(organization=acme, user_id=bob.pk, actor=Actor.person(alice))

    assert api.get("/api/v1/organizations/acme/events").status_code == 404
    assert api.get("/api/v1/organizations/globex/events").status_code == 200


@pytest.mark.parametrize("ends", ["removed", "demoted"])
def test_invitations_of_an_admin_end_with_the_role(
    acme: Organization, alice: User, ends: str
) -> None:
    ada = member("ada", acme, Role.ADMIN)
    invitations.invite(
        organization=acme, actor=Actor.person(ada), email="ada-2@example.com", role=Role.ADMIN,
        origin=ORIGIN,
    )  # fmt: skip
    actor = Actor.person(alice)

    if ends == "removed":
        members.remove(organization=acme, user_id=ada.pk, actor=actor)
    else:
        members.change_role(organization=acme, user_id=ada.pk, role=Role.VIEWER, actor=actor)

    assert Invitation.objects.get().revoked_at is not None


# pages


def aged(browser: Client) -> Client:
    """The second factor was given an hour ago."""
    session = browser.session
    session["factor_at"] -= 3600
    session.save()
    return browser


def test_a_page_asks_for_a_code_and_then_does_what_was_asked(
    acme: Organization, alice: User, bob: User, client_of: ClientOf
) -> None:
    from tests.factories import app_code

    browser = aged(client_of(alice))
    url, form = f"{PAGE}/{bob.pk}/role", {"role": "operator"}

    asked = browser.post(url, form)
    assert asked.status_code == 403
    html = asked.content.decode()
    assert "Nothing has been done yet" in html
    assert '<input type="hidden" name="role" value="operator">' in html
    wrong = browser.post(url, {**form, "step_up_code": "000000"})
    assert "did not match" in wrong.content.decode()
    assert roles(acme)["bob"] == "viewer"
    Authenticator.objects.update(throttling_failure_count=0)
    done = browser.post(url, {**form, "step_up_code": app_code()})

    assert (done.status_code, roles(acme)["bob"]) == (302, "operator")
    assert browser.post(url, {"role": "viewer"}).status_code == 302, "fresh for five minutes"


def test_a_person_without_the_right_is_refused_before_a_code_is_asked_for(
    dana: User, bob: User, client_of: ClientOf
) -> None:
    answer = aged(client_of(dana)).post(f"{PAGE}/{bob.pk}/role", {"role": "admin"})

    assert "Your role does not allow this" in answer.content.decode()


def test_the_api_names_a_stale_factor(
    acme: Organization, alice: User, bob: User, api_of: ApiOf
) -> None:
    api, now = api_of(alice), timezone.now()
    ApiToken.objects.update(factor_at=None)
    url = f"/api/v1/organizations/acme/members/{bob.pk}"

    refused = [
        api.patch(url, {"role": "admin"}, format="json"),
        api.delete(url),
        api.post("/api/v1/organizations/acme/invitations", {}, format="json"),
    ]

    assert {(one.status_code, one.json()["code"]) for one in refused} == {
        (403, "fresh-factor-required")
    }
    ApiToken.objects.update(factor_at=now)
    assert api.patch(url, {"role": "admin"}, format="json").json()["role"] == "admin"


def test_only_admins_see_addresses(
    acme: Organization, alice: User, bob: User, dana: User, api_of: ApiOf, client_of: ClientOf
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")
    url = "/api/v1/organizations/acme/members"

    seen = {
        user.username: [one["email"] for one in api_of(user).get(url).json()["results"]]
        for user in (alice, bob, dana)
    }

    assert seen == {
        "alice": ["", "bob@example.com", ""],
        "bob": ["", "bob@example.com", ""],
        "dana": ["", "", ""],
    }
    assert "bob@example.com" not in client_of(dana).get(PAGE).content.decode()
    assert "bob@example.com" in client_of(alice).get(PAGE).content.decode()


def test_the_menu_counts_live_requests_of_the_other_organizations(
    acme: Organization, globex: Organization, alice: User, charlie: User, client_of: ClientOf,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    from portal.mitigations import services
    from portal.mitigations.validation import Submission

    MembershipFactory.create(user=charlie, organization=acme)
    request.getfixturevalue("acme_northgate")
    request.getfixturevalue("shop")
    browser = client_of(charlie)
    assert "1 live" not in browser.get("/organizations/globex/").content.decode()

    services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )

    assert "1 live" in browser.get("/organizations/globex/readiness").content.decode()
    assert "1 live" not in browser.get("/organizations/acme/readiness").content.decode()


def only_one_with_a_code_and_no_password(acme: Organization) -> None:
    person = member("by-sso", acme, Role.ADMIN)
    person.set_unusable_password()
    person.save()


def test_an_admin_without_a_password_or_a_passkey_does_not_replace_the_last_one(
    acme: Organization, alice: User
) -> None:
    only_one_with_a_code_and_no_password(acme)

    with pytest.raises(Conflict) as refused:
        members.remove(organization=acme, user_id=alice.pk, actor=Actor.person(alice))

    assert refused.value.code == "last-admin"
    assert "without single sign-on" in refused.value.message


def test_an_admin_with_a_passkey_and_no_password_may_be_the_last_one(
    acme: Organization, alice: User
) -> None:
    only_one_with_a_code_and_no_password(acme)
    passkey_of(User.objects.get(username="by-sso"))

    members.remove(organization=acme, user_id=alice.pk, actor=Actor.person(alice))

    assert roles(acme) == {"by-sso": "admin"}


def passkey_of(user: User) -> None:
    WebAuthnCredential.objects.create(
        user=user, name="Key", confirmed=True, credential_id=b"1", public_key=b"1", sign_count=0
    )
