"""A member who signs in by single sign-on counts as one who can sign in, wherever people are
counted; and no more once the identity provider may not open the account.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import Authenticator, User
from portal.core.errors import Conflict, Invalid
from portal.organizations.models import Membership, Organization, Role
from portal.readiness.customers import Concern, customers
from portal.readiness.gather import readiness_of
from portal.readiness.rows import CheckCode
from portal.sso import services
from portal.sso.models import SingleSignOn
from tests.conftest import ApiOf, ClientOf
from tests.factories import AuthenticatorFactory, MembershipFactory
from tests.portal.sso.conftest import configured, sign_in
from tests.portal.sso.identity_provider import IdentityProvider

DANA = {"sub": "d-1", "email": "dana@acme.example", "email_verified": True, "amr": ["otp"]}
MEMBERS = "/api/v1/organizations/acme/members"


@pytest.fixture
def by_sso(sso: SingleSignOn, provider: IdentityProvider, acme: Organization, dana: User) -> User:
    """Dana, an operator, has signed in there and has no factor here."""
    User.objects.filter(pk=dana.pk).update(email="dana@acme.example")
    Authenticator.objects.filter(user=dana).delete()
    provider.person = DANA
    assert sign_in(Client(), provider, acme).status_code == 302
    return dana


def requesters(user: User) -> str:
    """Who can request, as Readiness says it."""
    membership = Membership.objects.select_related("organization", "user").get(user=user)
    rows = readiness_of(membership, timezone.now()).rows
    return next(row.evidence for row in rows if row.code == CheckCode.REQUESTERS)


def shown_factors(api_of: ApiOf, admin: User) -> dict[str, bool]:
    rows = api_of(admin).get(MEMBERS).json()["results"]
    return {row["username"]: row["has_second_factor"] for row in rows}


def test_each_page_and_the_api_count_a_member_by_single_sign_on(
    by_sso: User, alice: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    browser = client_of(alice)

    assert requesters(alice) == "alice and dana can sign in and request."
    start = browser.get("/organizations/acme/settings").content.decode()
    assert "2 people can request mitigation." in start
    assert (
        "Has no second factor yet"
        not in browser.get("/organizations/acme/settings/members").content.decode()
    )
    assert shown_factors(api_of, alice) == {"alice": True, "dana": True}


def test_an_admin_by_single_sign_on_is_an_admin_who_can_sign_in(
    by_sso: User, alice: User, acme: Organization
) -> None:
    Membership.objects.filter(user=by_sso).update(role=Role.ADMIN)
    Membership.objects.filter(user=alice).delete()

    [shown] = customers(timezone.now())

    assert Concern.NO_ADMIN not in [one.concern for one in shown.found]


def _remove(acme: Organization, alice: User, provider: IdentityProvider, dana: User) -> None:
    services.remove(organization=acme, actor=Actor.person(alice))


def _other_issuer(acme: Organization, alice: User, provider: IdentityProvider, dana: User) -> None:
    configured(acme, alice, provider, issuer="https://other.example", domains=["acme.example"])


def _second_organization(
    acme: Organization, alice: User, provider: IdentityProvider, dana: User
) -> None:
    other = Organization.objects.create(slug="second", name="Second")
    MembershipFactory.create(user=dana, organization=other)


def _staff(acme: Organization, alice: User, provider: IdentityProvider, dana: User) -> None:
    dana.is_staff = True
    dana.save()


@pytest.mark.parametrize("end", [_remove, _other_issuer, _second_organization, _staff])
def test_a_member_whose_account_it_may_not_open_is_not_counted(
    by_sso: User,
    alice: User,
    acme: Organization,
    provider: IdentityProvider,
    api_of: ApiOf,
    end: Callable[..., Any],
) -> None:
    end(acme, alice, provider, by_sso)

    assert requesters(alice).startswith("alice. Only one person")
    assert shown_factors(api_of, alice) == {"alice": True, "dana": False}


def _only_admin(person: User) -> None:
    Membership.objects.filter(user=person).update(role=Role.ADMIN)
    Membership.objects.exclude(user=person).filter(role=Role.ADMIN).update(role=Role.OPERATOR)
    User.objects.filter(pk=person.pk).update(password=make_password(None))


def test_the_identity_provider_of_the_only_admins_can_be_neither_removed_nor_replaced(
    by_sso: User, acme: Organization, provider: IdentityProvider, sso: SingleSignOn
) -> None:
    _only_admin(by_sso)
    by_sso.refresh_from_db()

    with pytest.raises(Conflict) as removed:
        services.remove(organization=acme, actor=Actor.person(by_sso))
    with pytest.raises(Invalid) as replaced:
        configured(acme, by_sso, provider, issuer="https://other.example")

    assert removed.value.code == "last-admin"
    assert ("issuer", "last-admin") in [(one.field, one.code) for one in replaced.value.errors]
    sso.refresh_from_db()
    assert sso.issuer == provider.issuer
    configured(acme, by_sso, provider, groups_claim="groups")


def test_the_page_says_why_single_sign_on_stays(
    by_sso: User, acme: Organization, sso: SingleSignOn, client_of: ClientOf
) -> None:
    _only_admin(by_sso)
    AuthenticatorFactory.create(user=by_sso)
    by_sso.refresh_from_db()
    browser = client_of(by_sso)

    page = browser.post("/organizations/acme/settings/single-sign-on/remove", follow=True)

    assert "no admin could sign in" in page.content.decode()
    assert SingleSignOn.objects.exists()
