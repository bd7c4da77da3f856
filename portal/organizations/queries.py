"""Reads, the organization first."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.accounts.models import User
from portal.organizations.models import Membership, Organization, ProtectedResource


def resources(organization: Organization) -> QuerySet[ProtectedResource]:
    return ProtectedResource.objects.filter(organization=organization)


def memberships(user: User) -> QuerySet[Membership]:
    """A person's roles, by organization name."""
    return (
        Membership.objects.filter(user=user, organization__is_active=True)
        .select_related("organization")
        .order_by("organization__name", "organization__slug")
    )
