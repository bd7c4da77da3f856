"""A right that ends, ends with its commit: the next call is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.models import ApiToken, User
from portal.mitigations.models import MitigationRequest
from portal.organizations import services as organizations
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.providers.models import Subscription
from tests.conftest import ApiOf

pytestmark = pytest.mark.sqlite

URL: Final = "/api/v1/organizations/acme/mitigation-requests"

End = Callable[[User, Organization], object]

BY_THE_PORTAL: Final[dict[str, tuple[End, int]]] = {
    "signed out": (
        lambda user, _: accounts.revoke_token(token=ApiToken.objects.get(user=user)),
        401,
    ),
    "all access ended": (lambda user, _: accounts.end_access(user=user), 401),
    "no member": (
        lambda user, acme: organizations.remove_member(organization=acme, user=user),
        401,  # the tokens of a person without an organization end too
    ),
    "viewer": (
        lambda user, acme: organizations.set_role(organization=acme, user=user, role=Role.VIEWER),
        403,
    ),
}
WITHOUT_A_MESSAGE: Final[dict[str, tuple[End, int]]] = {
    "token gone": (lambda user, _: ApiToken.objects.filter(user=user).delete(), 401),
    "token expired": (
        lambda user, _: ApiToken.objects.filter(user=user).update(
            expiry=timezone.now() - timedelta(seconds=1)
        ),
        401,
    ),
    "inactive": (lambda user, _: User.objects.filter(pk=user.pk).update(is_active=False), 401),
    "no member, directly": (lambda user, _: Membership.objects.filter(user=user).delete(), 404),
    "viewer, directly": (
        lambda user, _: Membership.objects.filter(user=user).update(role=Role.VIEWER),
        403,
    ),
    "organization off": (
        lambda _, acme: Organization.objects.filter(pk=acme.pk).update(is_active=False),
        404,
    ),
    "another name": (
        lambda _, acme: Organization.objects.filter(pk=acme.pk).update(slug="acme-2"),
        404,
    ),
    "resource not verified": (
        lambda *_: ProtectedResource.objects.update(verified_at=None),
        400,
    ),
    "provider disabled": (lambda *_: Subscription.objects.update(enabled=False), 400),
    "limit lowered": (
        lambda _, acme: Organization.objects.filter(pk=acme.pk).update(max_live_requests=2),
        409,
    ),
}
"""Rows that someone changes without the portal, so no process learns of it."""


@pytest.mark.parametrize("name", [*BY_THE_PORTAL, *WITHOUT_A_MESSAGE])
def test_the_next_submission_is_refused(
    dana: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription,
    api_of: ApiOf, name: str,
) -> None:  # fmt: skip
    end, status = {**BY_THE_PORTAL, **WITHOUT_A_MESSAGE}[name]
    api = api_of(dana)
    for number in (1, 2):
        answer = api.post(URL, {"targets": {"prefixes": [f"203.0.113.{number}/32"]}})
        assert answer.status_code == 202, answer.json()

    end(dana, acme)
    answer = api.post(URL, {"targets": {"prefixes": ["203.0.113.3/32"]}})

    assert answer.status_code == status, answer.json()
    assert MitigationRequest.objects.count() == 2
