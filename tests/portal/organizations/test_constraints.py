"""What the database refuses, whatever the code does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from portal.accounts.models import User
from portal.organizations import services
from portal.organizations.models import (
    Organization,
    ProtectedResource,
    Role,
)
from tests.factories import MembershipFactory, OrganizationFactory, ResourceFactory


@pytest.mark.parametrize(
    "wrong",
    [
        {"patience_s": 0},
        {"patience_s": 601},
        {"default_lifetime_s": 29},
        {"default_lifetime_s": 7200, "max_lifetime_s": 3600},
        {"max_lifetime_s": 2**32},
        {"max_live_requests": 0},
        {"max_live_requests_per_person": 0},
        {"max_live_requests": 100_001},
    ],
)
def test_a_policy_stays_in_range(db: None, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        OrganizationFactory.create(**wrong)


def test_a_member_has_one_role(bob: User, acme: Organization) -> None:
    with pytest.raises(IntegrityError):
        MembershipFactory.create(user=bob, organization=acme, role=Role.ADMIN)


def test_a_role_is_one_of_three(charlie: User, acme: Organization) -> None:
    with pytest.raises(IntegrityError):
        MembershipFactory.create(user=charlie, organization=acme, role="owner")


@pytest.mark.parametrize("twice", [{"name": "Shop"}, {"value": "203.0.113.0/24"}])
def test_names_and_values_are_unique_per_organization(
    acme: Organization, globex: Organization, twice: dict[str, str]
) -> None:
    ResourceFactory.create(organization=acme, **twice)
    ResourceFactory.create(organization=globex, **twice)

    with pytest.raises(IntegrityError):
        ResourceFactory.create(organization=acme, **twice)


def test_a_resource_has_a_known_kind(acme: Organization) -> None:
    with pytest.raises(IntegrityError):
        ResourceFactory.create(organization=acme, kind="ship")


def test_verifying_twice_keeps_the_first_time(acme: Organization, mo: User) -> None:
    resource = ResourceFactory.create(organization=acme, verified_at=None)
    first = services.verify_resource(resource=resource, actor=mo).verified_at

    assert services.verify_resource(resource=resource, actor=mo).verified_at == first
    assert ProtectedResource.objects.get().is_verified
