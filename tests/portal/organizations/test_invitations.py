"""Invitations: who gets in with a link, and who does not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.throttle import Limit
from portal.events.models import Event, EventType
from portal.organizations import invitations, members
from portal.organizations.models import Invitation, Membership, Organization, Role
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, app_code, member
from tests.portal.accounts.enrolling import shown_key
from tests.portal.organizations.mails import link_in, mails_to

ADDRESS = "192.0.2.1"
EMAIL = "eve@example.com"
ORIGIN = "https://portal.example"


@pytest.fixture
def invite(acme: Organization, alice: User) -> Callable[..., str]:
    """alice invites eve; the word of the link in her newest mail."""

    def invite(email: str = EMAIL, role: Role = Role.OPERATOR) -> str:
        invitations.invite(
            organization=acme, actor=Actor.person(alice), email=email, role=role, origin=ORIGIN
        )
        return link_in(mails_to(email.lower())[-1])

    return invite


def accept(token: str, username: str = "eve") -> Membership:
    return invitations.accept_as_new(
        token=token, username=username, password=PASSWORD, address=ADDRESS
    )


def test_the_mail_says_who_invites_until_when_and_what_else_to_do(
    invite: Callable[..., str],
) -> None:
    invite()

    [mail] = mails_to(EMAIL)

    assert mail.startswith("alice invites you to Acme\n")
    for part in ("an operator", f"{ORIGIN}/invitations/", "works once and ends on", "UTC"):
        assert part in mail
    assert "If you did not expect this, ignore this mail" in mail
    assert "Open this link to set a password and a second factor:" in mail


def test_the_mail_to_a_person_with_an_account_asks_for_no_new_password(
    charlie: User, invite: Callable[..., str]
) -> None:
    User.objects.filter(pk=charlie.pk).update(email=EMAIL)
    invite()

    [mail] = mails_to(EMAIL)

    assert "You have an account with this address. Open this link and sign in to join:" in mail
    assert "password" not in mail


def test_only_the_hash_of_a_link_is_stored(invite: Callable[..., str]) -> None:
    token = invite()

    row = Invitation.objects.values().get()

    assert token not in str(row)
    assert row["digest"] == Invitation.digest_of(token)


def test_an_invitation_holds_for_seven_days(invite: Callable[..., str]) -> None:
    invite()
    row = Invitation.objects.get()

    assert row.expires_at - row.created_at == timedelta(days=7)


def test_a_new_person_joins_with_a_password_and_then_has_to_enrol(
    acme: Organization, invite: Callable[..., str]
) -> None:
    url = f"/invitations/{invite()}"
    browser = Client()
    assert "alice invites eve@example.com" in browser.get(url).content.decode()

    joined = browser.post(url, {"username": "eve", "password": PASSWORD})

    start = "/organizations/acme/settings"
    assert joined["Location"] == f"/enrol?next={start.replace('/', '%2F')}"
    assert browser.get(start)["Location"] == "/enrol", "nothing opens without a second factor"
    key = shown_key(browser)
    shown = browser.post("/enrol", {"code": app_code(key), "next": start})
    assert "Save your recovery codes" in shown.content.decode()
    assert browser.get(start).status_code == 200
    eve = User.objects.get(username="eve")
    assert (eve.email, eve.memberships.get().role) == (EMAIL, "operator")
    event = Event.objects.get(type=EventType.MEMBER_JOINED)
    assert (event.actor, event.data["email"]) == (eve, EMAIL)
    assert not AuditEntry.objects.filter(verb=Verb.PASSWORD_CHANGED).exists()
    assert not [mail for mail in mails_to(EMAIL) if "password was changed" in mail]


def use(token: str, acme: Organization, alice: User) -> None:
    accept(token)


def let_it_expire(token: str, acme: Organization, alice: User) -> None:
    Invitation.objects.update(expires_at=timezone.now())


def revoke(token: str, acme: Organization, alice: User) -> None:
    invitations.revoke(
        organization=acme,
        invitation_id=Invitation.objects.get().pk,
        actor=Actor.person(alice),
    )


def send_again(token: str, acme: Organization, alice: User) -> None:
    invitations.send_again(
        organization=acme,
        invitation_id=Invitation.objects.get().pk,
        actor=Actor.person(alice),
        origin=ORIGIN,
    )


def suspend(token: str, acme: Organization, alice: User) -> None:
    Organization.objects.update(is_active=False)


def remove_the_admin(token: str, acme: Organization, alice: User) -> None:
    member("ada", acme, Role.ADMIN)
    members.remove(organization=acme, user_id=alice.pk, actor=Actor.person(alice))


def mistype(token: str, acme: Organization, alice: User) -> None:
    Invitation.objects.update(digest=Invitation.digest_of(f"{token}x"))


@pytest.mark.parametrize(
    "end", [use, let_it_expire, revoke, send_again, suspend, remove_the_admin, mistype]
)
def test_a_link_that_ended_has_one_answer_at_every_door(
    acme: Organization, alice: User, invite: Callable[..., str], end: Callable[..., None]
) -> None:
    token = invite()
    end(token, acme, alice)
    people = User.objects.count()
    form = {"username": "late", "password": PASSWORD}

    opened = Client().get(f"/invitations/{token}")
    sent = Client().post(f"/invitations/{token}", form)
    called = APIClient().post("/api/v1/invitations/accept", {"token": token, **form})

    assert [opened.status_code, sent.status_code, called.status_code] == [410, 410, 410]
    assert called.json()["code"] == "invitation-ended"
    assert opened.content == sent.content
    assert User.objects.count() == people


def test_a_new_link_works_after_the_earlier_one_was_replaced(
    acme: Organization, alice: User, invite: Callable[..., str]
) -> None:
    first = invite()
    send_again(first, acme, alice)

    accept(link_in(mails_to(EMAIL)[-1]))

    assert Membership.objects.get(user__username="eve").role == "operator"


def test_an_expired_invitation_makes_room_for_a_new_one(invite: Callable[..., str]) -> None:
    invite()
    let_it_expire("", None, None)  # type: ignore[arg-type]  # neither is read

    accept(invite())

    assert User.objects.filter(username="eve").exists()


def test_a_person_with_an_account_joins_signed_in(
    acme: Organization, charlie: User, client_of: ClientOf, invite: Callable[..., str]
) -> None:
    User.objects.filter(pk=charlie.pk).update(email="Charlie@Example.com")
    url = f"/invitations/{invite('CHARLIE@example.com')}"
    stranger = Client()
    assert "You have an account here." in stranger.get(url).content.decode()
    refused = stranger.post(url, {"username": "second", "password": PASSWORD})
    assert refused.status_code == 409

    joined = client_of(User.objects.get(pk=charlie.pk)).post(url)

    assert joined["Location"] == "/organizations/acme/settings"
    assert {one.organization.slug for one in charlie.memberships.all()} == {"acme", "globex"}


def test_an_invitation_is_bound_to_its_address(
    acme: Organization, charlie: User, client_of: ClientOf, api_of: ApiOf,
    invite: Callable[..., str],
) -> None:  # fmt: skip
    token = invite()

    page = client_of(charlie).post(f"/invitations/{token}")
    call = api_of(charlie).post("/api/v1/invitations/accept", {"token": token}, format="json")

    assert (page.status_code, call.status_code) == (409, 409)
    assert call.json()["code"] == "other-address"
    assert not Membership.objects.filter(user=charlie, organization=acme).exists()


@pytest.mark.parametrize(
    ("username", "password", "field", "code"),
    [
        ("", PASSWORD, "username", "blank"),
        ("alice", PASSWORD, "username", "name-taken"),
        ("ALICE", PASSWORD, "username", "name-taken"),
        ("e ve", PASSWORD, "username", "odd-characters"),
        ("eve\0", PASSWORD, "username", "odd-characters"),
        ("e" * 151, PASSWORD, "username", "too-long"),
        ("eve", "short", "password", "weak-password"),
        ("eve", "password1234", "password", "weak-password"),
        ("eve.miller", "eve.miller1", "password", "weak-password"),
        ("eve", "x" * 1025, "password", "weak-password"),
    ],
)
def test_a_wrong_name_or_password_changes_nothing(
    invite: Callable[..., str], username: str, password: str, field: str, code: str
) -> None:
    token = invite()

    with pytest.raises(Invalid) as caught:
        invitations.accept_as_new(
            token=token, username=username, password=password, address=ADDRESS
        )

    assert (field, code) in {(one.field, one.code) for one in caught.value.errors}
    accept(token)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "eve",
        "eve@",
        "eve@example",
        "eve@example.com\nBcc: x@example.com",
        "a" * 250 + "@b.example",
    ],
)
def test_text_that_is_no_address_is_refused(invite: Callable[..., str], email: str) -> None:
    with pytest.raises(Invalid) as caught:
        invite(email)

    assert [one.code for one in caught.value.errors] == ["not-an-address"]


def test_a_member_or_an_invited_person_is_not_invited_twice(
    acme: Organization, bob: User, invite: Callable[..., str]
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")
    invite()

    codes = []
    for email in ("Bob@example.com", "EVE@example.com"):
        with pytest.raises(Invalid) as caught:
            invite(email)
        codes.append(caught.value.code)

    assert codes == ["already-member", "already-invited"]


def test_open_invitations_have_a_limit(
    invite: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MAX_OPEN", 2)
    invite("a@example.com")
    invite("b@example.com")

    with pytest.raises(Conflict) as caught:
        invite("c@example.com")

    assert caught.value.code == "too-many-invitations"


@pytest.mark.parametrize("limit", ["MAILS", "ACCEPTANCES"])
def test_mails_and_tries_have_a_limit(
    invite: Callable[..., str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    token = invite()
    slow = Limit(name="x", tries=0, window_s=60, message="Too many.")
    monkeypatch.setattr(invitations, limit, slow)

    with pytest.raises(PortalError, match="Too many"):
        accept(token) if limit == "ACCEPTANCES" else invite("b@example.com")
