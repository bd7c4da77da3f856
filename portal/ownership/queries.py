"""Queries; the first argument is the organization or the resource."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from portal.core.errors import NotFound
from portal.organizations.models import Organization, ProtectedResource
from portal.ownership.models import ResourceClaim, ResourceProof


def resources_with_claims(organization: Organization) -> QuerySet[ProtectedResource]:
    return ProtectedResource.objects.filter(organization=organization).select_related(
        "ownership_claim"
    )


def resource_of(organization: Organization, resource_id: UUID) -> ProtectedResource:
    """NotFound for a resource of another organization."""
    found = (
        resources_with_claims(organization)
        .select_related("ownership_claim", "organization", "verified_by")
        .filter(pk=resource_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def waiting_for_staff() -> QuerySet[ProtectedResource]:
    """Of all organizations, those that portal staff have to decide about; the one that has waited
    longest is first.
    """
    return (
        ProtectedResource.objects.filter(
            verified_at__isnull=True, ownership_claim__waits_since__isnull=False
        )
        .select_related("ownership_claim", "organization")
        .order_by("ownership_claim__waits_since", "pk")
    )


def resource_for_staff(resource_id: UUID) -> ProtectedResource:
    """A resource of any organization, for portal staff. NotFound if there is none."""
    found = (
        ProtectedResource.objects.select_related("ownership_claim", "organization", "verified_by")
        .filter(pk=resource_id)
        .first()
    )
    if found is None:
        raise NotFound
    return found


def claim_as_read(resource: ProtectedResource) -> ResourceClaim:
    """The claim that was read with the resource; an unsaved one if it has none yet."""
    try:
        claim = resource.ownership_claim
    except ResourceClaim.DoesNotExist:
        return ResourceClaim(resource=resource)
    claim.resource = resource
    return claim


def proofs_of(resource: ProtectedResource) -> QuerySet[ResourceProof]:
    """Newest first; their number is limited."""
    return ResourceProof.objects.filter(resource=resource).select_related("asked_by", "resource")
