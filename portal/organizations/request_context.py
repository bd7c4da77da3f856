"""The first step of every page: check who is asking and what they may do in this organization."""

from __future__ import annotations

from django.http import HttpRequest

from portal.accounts.access import person_of as person_of
from portal.organizations.access import membership_for
from portal.organizations.models import Membership, Role


def member_of(request: HttpRequest, slug: str, role: Role = Role.VIEWER) -> Membership:
    """The membership.

    If access is refused, the error page still shows the navigation that the person may use.
    """
    membership = membership_for(person_of(request), slug)
    request.membership = membership  # type: ignore[attr-defined]  # read by failed.html
    return membership if membership.allows(role) else membership_for(membership.user, slug, role)
