"""Members: their roles, and how they leave.

Every change locks the organization's log first, so two changes of the same organization take turns
and each sees who is an admin now.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.enrolled import signs_in_here
from portal.accounts.models import User
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, NotAllowed, NotFound
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations.models import (
    FactorReset,
    Invitation,
    Membership,
    Organization,
    Role,
)
from portal.organizations.recording import record_change

other_sign_ins = Signal()
"""Receivers return the condition, for rows of Membership, under which a person signs in otherwise:
at an identity provider.
"""


@transaction.atomic
def change_role(
    *, organization: Organization, user_id: UUID, role: Role, actor: Actor
) -> Membership:
    """An admin gives a member another role. Conflict if it was the last admin's."""
    lock_log(organization.pk)
    require_admin(organization, actor)
    membership = member_for(organization, user_id)
    if role != Role.ADMIN:
        _require_another_admin(membership)
    return set_role(
        organization=organization, user=membership.user, role=role, actor=actor.require_person()
    )


@transaction.atomic
def remove(*, organization: Organization, user_id: UUID, actor: Actor) -> None:
    """An admin removes a member, or a member leaves. Conflict if it is the last admin."""
    lock_log(organization.pk)
    person = actor.require_person()
    if person.pk != user_id:
        require_admin(organization, actor)
    membership = member_for(organization, user_id)
    _require_another_admin(membership)
    remove_member(organization=organization, user=membership.user, actor=person)


@transaction.atomic
def set_role(
    *, organization: Organization, user: User, role: Role, actor: User | Actor | None = None
) -> Membership:
    """Make `user` a member, or change a member's role. For the portal's staff, who may leave an
    organization without an admin; and for single sign-on, which asks `is_last_admin` first.
    """
    lock_log(organization.pk)
    own = Membership.objects.filter(organization=organization, user=user)
    previous = own.values_list("role", flat=True).first()
    membership, is_new = Membership.objects.update_or_create(
        organization=organization, user=user, defaults={"role": role}
    )
    about = EventData(user=user.username, role=Role(role).value)
    if is_new:
        record_change(organization.pk, EventType.MEMBER_ADDED, actor=actor, data=about)
    elif previous != role:
        about["previous"] = str(previous)
        record_change(organization.pk, EventType.MEMBER_ROLE_CHANGED, actor=actor, data=about)
    if role != Role.ADMIN:
        _end_admin_acts(organization, user, actor)
    access_changed_on_commit(user.pk)
    return membership


@transaction.atomic
def remove_member(
    *, organization: Organization, user: User, actor: User | None = None, reason: str = ""
) -> None:
    """End a membership, and everything that the person is signed in with unless they have another
    one. Repeating it is harmless. For the portal's staff, as `set_role`; `reason`: theirs.
    """
    lock_log(organization.pk)
    membership = Membership.objects.filter(organization=organization, user=user).first()
    if membership is None:
        return
    # Before deleting the row: record the name of the member who leaves.
    about = EventData(user=user.username, role=membership.role)
    if reason:
        about["reason"] = reason
    record_change(organization.pk, EventType.MEMBER_REMOVED, actor=actor, data=about)
    membership.delete()
    _cancel(FactorReset.objects.filter(organization=organization, user=user), actor)
    _end_admin_acts(organization, user, actor)
    access_changed_on_commit(user.pk)
    if not user.is_staff and not Membership.objects.filter(user=user).exists():
        accounts.end_access(user=user)


def _end_admin_acts(organization: Organization, user: User, actor: User | Actor | None) -> None:
    """What an admin began ends with the role: otherwise a removed admin could come back through an
    invitation to another address.
    """
    begun = Invitation.objects.filter(
        organization=organization,
        invited_by=user,
        is_by_staff=False,
        accepted_at__isnull=True,
        revoked_at__isnull=True,
    )
    for invitation in begun.order_by("pk"):
        about = EventData(email=invitation.email, role=invitation.role)
        record_change(organization.pk, EventType.MEMBER_INVITATION_REVOKED, actor=actor, data=about)
    begun.update(revoked_at=timezone.now())
    _cancel(FactorReset.objects.filter(organization=organization, started_by=user), actor)


def _cancel(resets: QuerySet[FactorReset], actor: User | Actor | None) -> None:
    for reset in resets.select_related("user").order_by("pk"):
        about = EventData(user=reset.user.username)
        record_change(
            reset.organization_id, EventType.MEMBER_FACTOR_RESET_CANCELED, actor=actor, data=about
        )
        reset.delete()


def require_admin(organization: Organization, actor: Actor) -> None:
    """NotAllowed unless the person is an admin of the organization now, under the lock of its log:
    another admin may have ended that a moment ago.
    """
    now = admins(organization).filter(organization__is_active=True)
    if not now.filter(user=actor.require_person()).exists():
        raise NotAllowed("Only an admin of the organization can do this.")


def member_for(organization: Organization, user_id: UUID) -> Membership:
    """The only way from an id to a member. NotFound for anyone else."""
    membership = (
        Membership.objects.filter(organization=organization, user_id=user_id)
        .select_related("user", "organization")
        .first()
    )
    if membership is None:
        raise NotFound
    return membership


def admins(organization: Organization) -> QuerySet[Membership]:
    """Those who can act now: active, by name."""
    return (
        Membership.objects.filter(organization=organization, role=Role.ADMIN, user__is_active=True)
        .select_related("user")
        .order_by("user__username")
    )


def has_admin_who_signs_in_here(organization: Organization) -> bool:
    """Whether an admin can sign in without an identity provider."""
    return admins(organization).filter(signs_in_here("user_id", "user__password")).exists()


def is_last_admin(membership: Membership) -> bool:
    """Whether the organization would lose its last admin who can sign in without an identity
    provider, which may break; or, if it has none, its last admin who can sign in at all. Ask under
    the lock of the organization's log.
    """
    if membership.role != Role.ADMIN:
        return False
    own = Membership.objects.filter(pk=membership.pk)
    others = admins(membership.organization).exclude(user=membership.user_id)
    # An admin who never set up a second factor cannot sign in.
    here = signs_in_here("user_id", "user__password")
    if others.filter(here).exists():
        return False
    if own.filter(here).exists():
        return True
    otherwise = [one for _, one in other_sign_ins.send(sender=Membership)]
    return not any(others.filter(one).exists() for one in otherwise)


def _require_another_admin(membership: Membership) -> None:
    if is_last_admin(membership):
        raise Conflict(
            f"{membership.user.username} is the last admin of {membership.organization.name} who "
            "can sign in without single sign-on. First make a member an admin who has a password "
            "and a second factor, or a passkey.",
            code="last-admin",
        )
