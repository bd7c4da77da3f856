"""The memberships of which a person may choose the notices."""

from __future__ import annotations

from portal.accounts.models import User
from portal.core.errors import NotFound
from portal.organizations.models import Membership


def own_memberships(user: User) -> list[Membership]:
    """In open organizations, by name. Empty for staff who act for an organization: they are no
    members.
    """
    rows = Membership.objects.filter(user=user, organization__is_active=True)
    return list(rows.select_related("organization", "user").order_by("organization__name", "pk"))


def own_membership(user: User, slug: str) -> Membership:
    """NotFound for everyone else's organization."""
    found = next((one for one in own_memberships(user) if one.organization.slug == slug), None)
    if found is None:
        raise NotFound
    return found
