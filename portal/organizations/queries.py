"""Queries about organizations, members and resources."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.accounts.models import User
from portal.core.errors import NotFound
from portal.organizations import claims
from portal.organizations.models import Membership, Organization, ProtectedResource


def organization_for_staff(slug: str) -> Organization:
    """Also one that is closed. NotFound for an unknown one."""
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound
    return found


def resources(organization: Organization) -> QuerySet[ProtectedResource]:
    return ProtectedResource.objects.filter(organization=organization)


def overlapping(resource: ProtectedResource) -> list[ProtectedResource]:
    """Verified resources of other organizations that overlap with it, by organization and name."""
    others = (
        ProtectedResource.objects.filter(verified_at__isnull=False)
        .exclude(organization_id=resource.organization_id)
        .select_related("organization", "verified_by")
        .order_by("organization__name", "name")
    )
    return [other for other in others if claims.overlaps(resource.target, other.target)]


def memberships(user: User) -> QuerySet[Membership]:
    """A person's memberships, ordered by organization name."""
    return (
        Membership.objects.filter(user=user, organization__is_active=True)
        .select_related("organization")
        .order_by("organization__name", "organization__slug")
    )
