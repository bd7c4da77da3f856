"""Confirm an act at the identity provider, and try the settings out."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from portal.accounts.models import Authenticator, User
from portal.accounts.services.sessions import factor_age_s
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.organizations.models import Organization, Role
from portal.organizations.services import set_role
from portal.sso.models import FederatedIdentity, SingleSignOn
from portal.sso.refusals import Refused
from tests.conftest import ClientOf
from tests.portal.sso.conftest import come_back, left_for, sign_in
from tests.portal.sso.identity_provider import Claims, IdentityProvider
from tests.portal.sso.test_sign_in import BOB, refused

MEMBERS = "/organizations/acme/settings/members"
CONFIRM = f"/confirm-by-single-sign-on?next={MEMBERS}"
LONG_AGO = 1_000_000.0


@pytest.fixture
def client(sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User) -> Client:
    """An admin without a password or a factor here, whose factor is old."""
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example", password="!")
    Authenticator.objects.filter(user=bob).delete()
    set_role(organization=acme, user=bob, role=Role.ADMIN)
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)
    session = client.session
    session["factor_at"] = LONG_AGO
    session.save()
    return client


def invite(client: Client) -> Any:
    return client.post(MEMBERS, {"email": "eve@example.com", "role": "viewer"})


def confirmed(client: Client, provider: IdentityProvider, acme: Organization) -> Any:
    left = client.get(CONFIRM)
    assert left.status_code == 302
    query = parse_qs(urlsplit(left["Location"]).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    return come_back(client, acme, provider.authorize(left["Location"]))


def test_the_page_that_asks_for_a_code_leads_there_too(client: Client) -> None:
    page = invite(client)

    assert page.status_code == 403
    assert "/confirm-by-single-sign-on?next=" in page.content.decode()


def test_a_fresh_sign_in_there_confirms(
    client: Client, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = BOB | {"auth_time": int(time.time())}

    answer = confirmed(client, provider, acme)

    assert (answer.status_code, answer["Location"]) == (302, MEMBERS)
    assert factor_age_s(client.session) < 60
    assert invite(client).status_code == 302
    assert AuditEntry.objects.get(verb=Verb.STEPPED_UP).factor.startswith("federatedfactor:")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, Refused.NOT_FRESH),
        ({"auth_time": int(LONG_AGO)}, Refused.NOT_FRESH),
        ({"auth_time": "now"}, Refused.NOT_FRESH),
        ({"auth_time": True}, Refused.NOT_FRESH),
        ({"auth_time": -1}, Refused.NOT_FRESH),
        ({"auth_time": 2**33, "sub": "someone else"}, Refused.OTHER_PERSON),
    ],
)
def test_nothing_else_confirms(
    client: Client,
    provider: IdentityProvider,
    acme: Organization,
    changed: Claims,
    why: Refused,
) -> None:
    provider.person = BOB | changed

    refused(confirmed(client, provider, acme), why)

    assert invite(client).status_code == 403


def test_only_a_session_by_single_sign_on_confirms_there(
    sso: SingleSignOn, alice: User, client_of: ClientOf
) -> None:
    assert client_of(alice).get(CONFIRM).status_code == 404
    assert Client().get(CONFIRM).status_code == 302


def test_a_step_up_signs_no_one_in(
    client: Client, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = BOB | {"auth_time": int(time.time())}
    left = client.get(CONFIRM)["Location"]
    session = client.session
    client.post("/sign-out")
    client.cookies.clear()
    other = Client()
    other.cookies["sessionid"] = session.session_key or ""

    refused(come_back(other, acme, provider.authorize(left)), Refused.STALE)


# The test of the settings


def tried(client: Client, provider: IdentityProvider, acme: Organization) -> Any:
    left = client.post("/organizations/acme/settings/single-sign-on/test")
    return come_back(client, acme, provider.authorize(left_for(left)))


def test_the_test_shows_what_was_received_and_changes_nothing(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    client_of: ClientOf,
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    client = client_of(alice)

    page = tried(client, provider, acme).content.decode()

    assert "You could sign in" in page
    assert "bob@acme.example, verified" in page
    assert "amr is pwd, otp" in page
    assert not FederatedIdentity.objects.exists()
    assert client.get(MEMBERS).status_code == 200


def test_the_test_says_what_is_missing(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    client_of: ClientOf,
) -> None:
    provider.person = {"sub": "x"}

    page = tried(client_of(alice), provider, acme).content.decode()

    assert "You could not sign in" in page
    assert "named no email address" in page
    assert "amr is missing" in page


def test_the_answer_to_a_test_signs_no_one_in(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    client_of: ClientOf,
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    client = client_of(alice)
    left = left_for(client.post("/organizations/acme/settings/single-sign-on/test"))
    key = client.session.session_key
    taken_back = provider.authorize(left)
    # The rights ended meanwhile.
    Authenticator.objects.filter(user=alice).delete()
    other = Client()
    other.cookies["sessionid"] = key or ""

    refused(come_back(other, acme, taken_back), Refused.STALE)
    assert other.get(MEMBERS).status_code == 302
