"""The only way from a membership and an id to a mitigation request."""

from __future__ import annotations

from uuid import UUID

from portal.core.errors import NotFound
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Membership


def request_for(membership: Membership, request_id: UUID) -> MitigationRequest:
    """The organization's request; NotFound if it does not exist or belongs to another
    organization.
    """
    request = (
        MitigationRequest.objects.select_related(
            "organization", "created_by", "terminate_asked_by", "acknowledged_by"
        )
        .prefetch_related(
            "mitigations__subscription__provider",
            "mitigations__cause_subscription__provider",
            "mitigations__asked_by",
            "mitigations__withdrawn_by",
            "resources",
        )
        .filter(organization_id=membership.organization_id, pk=request_id)
        .first()
    )
    if request is None:
        raise NotFound
    return request
