"""Staff end the membership of an admin, such as the last one, which no other admin can end. They
invite another admin first, so that someone can manage the organization.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.core.errors import Conflict, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.core.typed_lines import checked_reason
from portal.events.log import lock_log
from portal.organizations import members, people_mails
from portal.organizations.admin_mails import mail_admins
from portal.organizations.invitations import unanswered
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.suspension import MAY_CHANGE


def admin_for(organization: Organization, user_id: UUID) -> Membership:
    """The only way of staff from an id to a membership. NotFound for everyone but an admin."""
    membership = members.member_for(organization, user_id)
    if membership.role != Role.ADMIN:
        raise NotFound
    return membership


@transaction.atomic
def remove_admin(
    *, organization: Organization, user_id: UUID, actor: Actor, reason: str, address: str
) -> None:
    """Access ends at once; the person and the other admins get a mail with the reason. Conflict if
    it is the last admin and staff have invited no other one.
    """
    person = actor.require_person()
    reason = checked_reason(reason)
    lock_log(organization.pk)
    MAY_CHANGE.require_still(person)
    membership = admin_for(organization, user_id)
    user = membership.user
    if members.is_last_admin(membership) and not has_successor(organization):
        raise Conflict(
            f"{user.username} is the last admin of {organization.name} who can sign in. First "
            "invite another admin.",
            code="no-successor",
        )
    members.remove_member(organization=organization, user=user, actor=person, reason=reason)
    names = {"organization": organization.name, "username": user.username, "reason": reason}
    accounts.tell(user, people_mails.removed_by_staff(**names))
    mail_admins(organization, lambda: people_mails.admin_removed(**names))
    record(
        SecurityEvent.ADMIN_REMOVED,
        user=user.username,
        organization=organization.slug,
        actor=person.username,
        address=address,
    )


def has_successor(organization: Organization) -> bool:
    """Whether the link of an invitation by staff still makes its reader an admin."""
    invited = unanswered(organization).filter(is_by_staff=True, role=Role.ADMIN)
    return invited.filter(expires_at__gt=timezone.now()).exists()
