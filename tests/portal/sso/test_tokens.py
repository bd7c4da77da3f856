"""A token that was made by single sign-on does not outlive it; other tokens do."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.organizations.models import Organization
from portal.sso import services
from portal.sso.models import FederatedIdentity, SingleSignOn
from portal.sso.queries import TOKENS_LAST
from tests.conftest import ClientOf
from tests.factories import MembershipFactory
from tests.portal.sso.conftest import configured, sign_in
from tests.portal.sso.identity_provider import IdentityProvider

BOB = {"sub": "b-1", "email": "bob@acme.example", "email_verified": True, "amr": ["otp"]}
TOKENS = "/me/tokens"
ME = "/api/v1/me"


def made(browser: Client, name: str) -> str:
    """The text of a new token."""
    answer = browser.post(TOKENS, {"name": name, "right": "admin", "days": "90"})
    found = re.search(r"dmp_\w+", answer.content.decode())
    assert found, answer.content.decode()
    return found[0]


def works(token: str) -> bool:
    browser = Client(headers={"Authorization": f"Bearer {token}"})
    return bool(browser.get(ME).status_code == 200)


@pytest.fixture
def by_sso(sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User) -> Client:
    """Bob's browser, which his identity provider signed in."""
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    browser = Client()
    assert sign_in(browser, provider, acme).status_code == 302
    return browser


def test_a_token_remembers_that_single_sign_on_made_it(
    by_sso: Client, bob: User, client_of: ClientOf
) -> None:
    made(by_sso, "by the page")
    made(client_of(bob), "with a password")
    body = {"name": "by the session", "scope": "admin"}
    first = by_sso.post("/api/v1/me/tokens", body, content_type="application/json").json()
    ApiToken.objects.update(factor_at=timezone.now())
    program = Client(headers={"Authorization": f"Bearer {first['token']}"})
    body = {"name": "by the token", "scope": "read"}
    assert program.post("/api/v1/me/tokens", body, content_type="application/json")

    assert dict(ApiToken.objects.values_list("device_name", "is_federated")) == {
        "by the page": True,
        "with a password": False,
        "by the session": True,
        "by the token": True,
    }


def _remove(acme: Organization, alice: User, bob: User, provider: IdentityProvider) -> None:
    services.remove(organization=acme, actor=Actor.person(alice))


def _other_issuer(acme: Organization, alice: User, bob: User, provider: IdentityProvider) -> None:
    configured(acme, alice, provider, issuer="https://other.example", domains=["acme.example"])


def _join(acme: Organization, alice: User, bob: User, provider: IdentityProvider) -> None:
    other = Organization.objects.create(slug="second", name="Second")
    MembershipFactory.create(user=bob, organization=other)


def _staff(acme: Organization, alice: User, bob: User, provider: IdentityProvider) -> None:
    bob.is_staff = True
    bob.save()


def _unused(acme: Organization, alice: User, bob: User, provider: IdentityProvider) -> None:
    services.end_orphaned_tokens(timezone.now() + TOKENS_LAST + timedelta(minutes=1))


@pytest.mark.parametrize("end", [_remove, _other_issuer, _join, _staff, _unused])
def test_it_ends_with_what_made_it_and_a_token_by_password_does_not(
    by_sso: Client,
    acme: Organization,
    alice: User,
    bob: User,
    provider: IdentityProvider,
    client_of: ClientOf,
    end: Callable[..., Any],
) -> None:
    token, other = made(by_sso, "dashboard"), made(client_of(bob), "script")
    assert works(token)

    end(acme, alice, bob, provider)

    assert (works(token), works(other)) == (False, True)
    [entry] = AuditEntry.objects.filter(verb=Verb.TOKEN_ENDED, organization_id=acme.pk)
    assert entry.object_name == "dashboard"
    assert entry.after is not None
    assert entry.after["why"] == "single-sign-on-ended"


def test_requiring_single_sign_on_ends_every_token_until_it_is_made_again(
    by_sso: Client,
    acme: Organization,
    alice: User,
    bob: User,
    provider: IdentityProvider,
    client_of: ClientOf,
) -> None:
    tokens = [made(by_sso, "dashboard"), made(client_of(bob), "script")]

    configured(acme, alice, provider, domains=["acme.example"], is_required=True)

    assert [works(one) for one in tokens] == [False, False]
    again = Client()
    sign_in(again, provider, acme)
    assert works(made(again, "dashboard"))


def test_it_continues_while_the_person_signs_in_there(
    by_sso: Client, acme: Organization, alice: User, provider: IdentityProvider
) -> None:
    token = made(by_sso, "dashboard")

    configured(acme, alice, provider, domains=["acme.example"], adds_members=True)
    later = timezone.now() + TOKENS_LAST + timedelta(minutes=1)
    FederatedIdentity.objects.update(last_used_at=later - timedelta(days=1))
    assert services.end_orphaned_tokens(later) == 0

    assert works(token)


def test_the_form_says_when_a_token_of_single_sign_on_ends(
    by_sso: Client, bob: User, client_of: ClientOf
) -> None:
    said = f"{TOKENS_LAST.days} days after your last"

    assert said in by_sso.get(TOKENS).content.decode()
    assert said not in client_of(bob).get(TOKENS).content.decode()
