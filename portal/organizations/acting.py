"""The portal's staff act for an organization: with a reason, for a while, and never silently
(ADR 67).

Through one session or token, for one organization at a time, with an operator's rights. Everything
that ends it locks the organization's log, as everything that ends a member's right does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts.acting import Acting
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.accounts.staff_rights import StaffRight
from portal.accounts.wording import name_of
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, NotAllowed, NotFound
from portal.core.log_ids import add_log_ids
from portal.core.security_log import SecurityEvent, record
from portal.core.sweeping import count_done
from portal.core.typed_lines import checked_reason
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.organizations import people_mails
from portal.organizations.admin_mails import mail_admins
from portal.organizations.models import ActingEnd, Membership, Organization, Role, StaffActing
from portal.organizations.recording import record_change

MAY_ACT: Final = StaffRight("act for organizations", ("organizations.act_for_organization",))
ROLE: Final = Role.OPERATOR
"""What staff may do while they act: nothing about people, tokens, sign-in or policy."""
MAX_ENDED: Final = 200
"""Of one sweep; the rest waits for the next one."""

Credential = SessionBase | ApiToken | str
"""By which a person acts; text: the key of a session."""


@transaction.atomic
def begin(*, slug: str, user: User, credential: Credential, reason: str) -> Acting:
    """Act for an organization from now. Its admins get a mail.

    Conflict if this session or token acts for one already. NotFound for an unknown organization.
    """
    reason = checked_reason(reason)
    organization = Organization.objects.filter(slug=slug, is_active=True).first()
    if organization is None:
        raise NotFound
    now, name = timezone.now(), name_of_credential(credential)
    for earlier in _open(Q(credential=name, ends_at__lte=now)):
        _end(earlier, ActingEnd.TIME)
    lock_log(organization.pk)
    MAY_ACT.require_still(user)
    try:
        with transaction.atomic():
            row = StaffActing.objects.create(
                organization=organization,
                user=user,
                credential=name,
                reason=reason,
                began_at=now,
                ends_at=now + settings.STAFF_ACTING_FOR,
            )
    except IntegrityError:
        raise Conflict(
            "You act for an organization already. Stop that first.", code="acting-already"
        ) from None
    acting = _acting(row)
    _tell(row, EventType.STAFF_ACTING_BEGAN)
    record(SecurityEvent.STAFF_ACTING, user=user.username, organization=slug, reason=reason)
    write = partial(
        people_mails.staff_act,
        organization=organization.name,
        by=user.username,
        reason=reason,
        began=now,
        ends=row.ends_at,
    )
    mail_admins(organization, write)
    return acting


@transaction.atomic
def stop(acting: Acting, because: ActingEnd = ActingEnd.STOPPED) -> None:
    """Repeating it is harmless."""
    for row in _open(Q(pk=acting.id)):
        _end(row, because)


def may_act(user: User, credential: Credential) -> Acting | None:
    """For which organization the person acts now through this session or token."""
    return may_act_all([(user, name_of_credential(credential))]).get(name_of_credential(credential))


def may_act_all(asked: Iterable[tuple[User, str]]) -> dict[str, Acting]:
    """The same for many, by the name of the credential, with one statement; and one for the rights
    of each person who acts.
    """
    staff = {name: user for user, name in asked if user.is_staff}
    if not staff:
        return {}
    now = timezone.now()
    rows = _open(Q(credential__in=staff, ends_at__gt=now, organization__is_active=True))
    return {
        row.credential: _acting(row)
        for row in rows
        if row.user_id == staff[row.credential].pk and MAY_ACT.is_held_by(staff[row.credential])
    }


def acting_membership(user: User, slug: str) -> Membership | None:
    """In place of a membership: of staff whose call may act for this organization."""
    acting = user.may_act
    if acting is None or acting.slug != slug:
        return None
    organization = Organization.objects.filter(pk=acting.organization_id, is_active=True).first()
    if organization is None:
        return None
    user.acting = acting
    membership = Membership(organization=organization, user=user, role=ROLE)
    membership.acting = acting
    return membership


def require_still(acting: Acting, role: Role) -> None:
    """NotFound if the time is over or anything else ended it, NotAllowed above ROLE. Decides under
    the lock of the organization's log.
    """
    row = _open(Q(pk=acting.id, ends_at__gt=timezone.now(), organization__is_active=True)).first()
    if row is None or not MAY_ACT.is_held_by(row.user):
        raise NotFound
    if not ROLE.covers(role):
        raise NotAllowed(f"This needs the {role.value} role. Staff act as an {ROLE.value}.")


def end_with_credential(*, credential: Credential, user: User, **_: Any) -> None:
    """Receives `credential_ending` of portal.accounts."""
    if user.is_staff:
        for row in _open(Q(credential=name_of_credential(credential))):
            _end(row, ActingEnd.SIGNED_OUT)


def end_with_right(*, user: User, **_: Any) -> None:
    """Receives `rights_ending` of portal.accounts, after the logs are locked."""
    for row in _open(Q(user=user)):
        _end(row, ActingEnd.RIGHT)


def end_expired(*, now: datetime) -> int:
    """Record the end of the time, which has its effect without this; return how many ended."""
    due = _open(Q(ends_at__lte=now)).values_list("pk", flat=True)[:MAX_ENDED]
    return count_done(_end_expired, list(due))


@transaction.atomic
def _end_expired(acting_id: UUID) -> int:
    return sum(_end(row, ActingEnd.TIME) for row in _open(Q(pk=acting_id)))


def name_of_credential(credential: Credential) -> str:
    """A session's key stays secret: the table has its hash."""
    if isinstance(credential, ApiToken):
        return f"token:{credential.device_id}"
    key = credential if isinstance(credential, str) else credential.session_key or ""
    return f"session:{hashlib.sha256(key.encode()).hexdigest()}"


def name_at(person: User | None, organization_id: UUID, at: datetime | None) -> str:
    """The name of a person in a row of the organization that says only who and when: for staff who
    acted for it then, "staff mo acting for Acme". Empty for none.
    """
    if person is None or not person.is_staff or at is None:
        return name_of(person)
    then = StaffActing.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gte=at),
        user=person,
        organization=organization_id,
        began_at__lte=at,
        ends_at__gte=at,
    )
    row = then.select_related("organization").first()
    return _acting(row).name_of(person.username) if row else name_of(person)


def _open(among: Q) -> QuerySet[StaffActing]:
    """In the order in which their logs are locked."""
    return (
        StaffActing.objects.filter(among, ended_at__isnull=True)
        .select_related("organization", "user")
        .order_by("organization_id", "pk")
    )


def _end(row: StaffActing, because: ActingEnd) -> int:
    lock_log(row.organization_id)
    now = timezone.now()
    ended = StaffActing.objects.filter(pk=row.pk, ended_at__isnull=True).update(
        ended_at=min(now, row.ends_at), ended_because=because
    )
    if ended:
        row.ended_because = because
        _tell(row, EventType.STAFF_ACTING_ENDED)
        access_changed_on_commit(row.user_id)
    return ended


def _tell(row: StaffActing, type: EventType) -> None:
    add_log_ids(organization=row.organization_id)
    data = EventData(why=row.ended_because) if row.ended_because else EventData()
    actor = Actor.staff(row.user, _acting(row))
    record_change(row.organization_id, type, actor=actor, data=data)


def _acting(row: StaffActing) -> Acting:
    return Acting(
        id=row.pk,
        organization_id=row.organization_id,
        organization=row.organization.name,
        slug=row.organization.slug,
        is_suspended=row.organization.suspended_at is not None,
        reason=row.reason,
        ends_at=row.ends_at,
    )
