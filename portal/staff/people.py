"""Who belongs to the portal's staff, their roles, and how they leave.

Every change locks the rows of all managers first, so two changes take turns and each sees who is a
manager now.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.account_mails import AccountMail
from portal.accounts.actors import Actor
from portal.accounts.managers import (
    is_manager,
    lock_managers,
    managers,
    require_another_manager,
)
from portal.accounts.models import User
from portal.accounts.signals import access_ending, rights_ending
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import NotAllowed, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.staff import mails
from portal.staff.models import StaffFactorReset, StaffInvitation, StaffRole
from portal.staff.roles import permissions_of, role_of


def require_manager(user: User) -> None:
    """NotAllowed unless the person may change the staff."""
    if not is_manager(user):
        raise _not_allowed()


def _not_allowed() -> NotAllowed:
    return NotAllowed("Only managers of the portal's staff can do this.")


def staff() -> QuerySet[User]:
    """By name, also those who are deactivated."""
    return (
        User.objects.filter(is_staff=True)
        .prefetch_related("groups", "user_permissions__content_type")
        .order_by("username")
    )


def colleague_for(user_id: UUID) -> User:
    """The only way from an id to a member of the staff. NotFound for anyone else."""
    found = staff().filter(pk=user_id).first()
    if found is None:
        raise NotFound
    return found


def require_turn(actor: Actor, *others: UUID) -> User:
    """Lock the managers and `others` until the transaction ends, and return the person who acts.
    NotAllowed unless that is a manager now: another one may have ended that a moment ago.
    """
    person = actor.require_person()
    now = lock_managers(*others).get(person.pk)
    if now is None or not is_manager(now):
        raise _not_allowed()
    return now


@transaction.atomic
def change_role(*, user_id: UUID, role: StaffRole, actor: Actor, address: str) -> User:
    """Give a colleague another role. Conflict if it was the last manager's."""
    user = colleague_for(user_id)
    # The logs before the person, as everywhere.
    access_ending.send(sender=None, user=user)
    by = require_turn(actor, user_id)
    user = colleague_for(user_id)
    before = role_of(user)
    if before == role:
        return user
    if role != StaffRole.MANAGER:
        require_another_manager(user)
    rights_ending.send(sender=None, user=user)
    give_role(user, role)
    record_entry(
        Verb.STAFF_ROLE_CHANGED,
        actor=actor,
        about=Object("person", user.pk, user.username),
        before={"role": before},
        after={"role": role},
        is_by_staff=True,
    )
    if role != StaffRole.MANAGER:
        _end_managing(user, actor)
    names = {"username": user.username, "by": by.username}
    accounts.tell(user, mails.role_changed(role=role, **names))
    tell_managers(mails.colleague_changed(role=role, **names), besides=(user, by))
    _note(user, by, role.value, address)
    return user


@transaction.atomic
def end(*, user_id: UUID, actor: Actor, address: str) -> None:
    """End the access of a colleague at once: rights, sessions, tokens, open pages. The account
    stays, for the memberships that it may have. Conflict if it is the last manager.
    """
    user = colleague_for(user_id)
    access_ending.send(sender=None, user=user)
    by = require_turn(actor, user_id)
    user = colleague_for(user_id)
    require_another_manager(user)
    rights_ending.send(sender=None, user=user)
    before = role_of(user)
    give_role(user, None)
    accounts.end_access(user=user)
    record_entry(
        Verb.STAFF_ENDED,
        actor=actor,
        about=Object("person", user.pk, user.username),
        before={"role": before},
        is_by_staff=True,
    )
    _cancel(StaffFactorReset.objects.filter(user=user), actor)
    _end_managing(user, actor)
    names = {"username": user.username, "by": by.username}
    accounts.tell(user, mails.ended(**names))
    tell_managers(mails.colleague_ended(**names), besides=(user, by))
    _note(user, by, "none", address)


def tell_managers(mail: AccountMail, *, besides: Collection[User]) -> None:
    """In the transaction of the act. A portal that cannot send mail still does it."""
    for manager in managers().exclude(pk__in=[one.pk for one in besides]):
        accounts.tell(manager, mail)


def give_role(user: User, role: StaffRole | None) -> None:
    """Replace all rights of a person, in a transaction that records it. None: all of them end."""
    user.is_staff, user.is_superuser = role is not None, role == StaffRole.MANAGER
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.clear()
    user.user_permissions.set(permissions_of(role))
    access_changed_on_commit(user.pk)


def _end_managing(user: User, actor: Actor) -> None:
    """What a manager began ends with the role: otherwise the person could come back through an
    invitation to another address.
    """
    begun = StaffInvitation.objects.filter(
        invited_by=user, accepted_at__isnull=True, revoked_at__isnull=True
    )
    for invitation in begun.order_by("pk"):
        record_entry(
            Verb.STAFF_INVITATION_REVOKED,
            actor=actor,
            about=Object("person", "", invitation.email),
            is_by_staff=True,
        )
    begun.update(revoked_at=timezone.now())
    _cancel(StaffFactorReset.objects.filter(started_by=user), actor)


def _cancel(resets: QuerySet[StaffFactorReset], actor: Actor) -> None:
    for reset in resets.select_related("user").order_by("pk"):
        record_entry(
            Verb.STAFF_FACTOR_RESET_CANCELED,
            actor=actor,
            about=Object("person", reset.user_id, reset.user.username),
            is_by_staff=True,
        )
        reset.delete()


def _note(user: User, by: User, role: str, address: str) -> None:
    record(
        SecurityEvent.STAFF_CHANGED,
        user=user.username,
        role=role,
        actor=by.username,
        address=address,
    )
