"""The only way from a membership and an id to a plan."""

from __future__ import annotations

from uuid import UUID

from portal.core.errors import NotFound
from portal.organizations.models import Membership
from portal.standby import queries
from portal.standby.models import StandbyPlan


def plan_for(membership: Membership, plan_id: UUID) -> StandbyPlan:
    """The organization's plan; NotFound if it does not exist, was removed, or belongs to another
    organization.
    """
    plan = queries.plans(membership.organization).filter(pk=plan_id).first()
    if plan is None:
        raise NotFound
    return plan
