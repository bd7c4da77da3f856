"""The only way from a membership and an id to a mitigation request."""

from __future__ import annotations

from uuid import UUID

from portal.core.errors import NotFound
from portal.mitigations.models import MitigationRequest
from portal.mitigations.queries import with_everything
from portal.organizations.models import Membership


def request_for(membership: Membership, request_id: UUID) -> MitigationRequest:
    """The organization's request; NotFound if it does not exist or belongs to another
    organization.
    """
    own = MitigationRequest.objects.filter(organization_id=membership.organization_id)
    request = with_everything(own).filter(pk=request_id).first()
    if request is None:
        raise NotFound
    return request
