"""The only way from a person and a slug to an organization."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotFound
from portal.core.formatting import listed
from portal.core.log_ids import add_log_ids
from portal.core.security_log import SecurityEvent, record
from portal.organizations.models import Membership, Role


def membership_for(user: User, slug: str, role: Role = Role.VIEWER) -> Membership:
    """The membership, with its organization. NotFound for outsiders, NotAllowed below `role`."""
    membership = memberships_for([(user, slug)]).get((user.pk, slug))
    if membership is None:
        raise NotFound
    add_log_ids(organization=membership.organization_id)
    if not membership.allows(role):
        _record(user, slug, membership.role)
        raise NotAllowed(_refusal(membership, role))
    return membership


def memberships_for(asked: Collection[tuple[User, str]]) -> dict[tuple[UUID, str], Membership]:
    """The memberships among `asked`, by the person's id and the slug, each with its organization.
    One statement reads them; the security log names those who are not members.
    """
    memberships = Membership.objects.select_related("organization").filter(
        user__in={user.pk for user, _ in asked},
        user__is_active=True,
        organization__slug__in={slug for _, slug in asked},
        organization__is_active=True,
    )
    found = {(one.user_id, one.organization.slug): one for one in memberships}
    for user, slug in asked:
        if (user.pk, slug) not in found:
            _record(user, slug, "none")
    return found


def _record(user: User, slug: str, role: str) -> None:
    record(SecurityEvent.MEMBERSHIP_REFUSED, user=user.username, organization=slug, role=role)


def _refusal(membership: Membership, role: Role) -> str:
    able = list(
        Membership.objects.filter(
            organization_id=membership.organization_id,
            role__in=[other for other in Role if other.covers(role)],
            user__is_active=True,
        )
        .order_by("user__username")
        .values_list("user__username", flat=True)[:5]
    )
    who = f" {listed(able)} can do it." if able else ""
    return f"This needs the {role.value} role; yours is {membership.role}.{who}"
