"""The only way from a membership and an id to an unknown mitigation."""

from __future__ import annotations

from uuid import UUID

from portal.core.errors import NotFound
from portal.inventory import queries
from portal.inventory.models import UnknownMitigation
from portal.organizations.models import Membership


def unknown_for(membership: Membership, unknown_id: UUID) -> UnknownMitigation:
    """The organization's unknown mitigation, ended or not; NotFound if it does not exist or belongs
    to another organization.
    """
    row = queries.unknown_mitigations(membership.organization).filter(pk=unknown_id).first()
    if row is None:
        raise NotFound
    return row
