"""Record in an organization's log what happens to the organization itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.data import Changed, EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Membership


def record_change(
    organization_id: UUID, type: EventType, *, actor: User | Actor | None, data: EventData
) -> None:
    """Append one event. Members see only the names of members and of staff who act for them; all
    other people who act are the portal's staff.

    `actor` None: a person with a shell on the portal's machine.
    """
    own = Membership.objects.filter(organization_id=organization_id)
    source = Actor.person(actor) if isinstance(actor, User) else actor
    # Staff who act for the organization are named.
    is_named = source is not None and (source.user is None or source.acting is not None)
    append_event(
        organization_id=organization_id,
        type=type,
        at=timezone.now(),
        actor=source,
        is_by_staff=not is_named and (source is None or not own.filter(user=source.user).exists()),
        data=data,
    )


def record_factor_reset(*, user: User, actor: User, **_: Any) -> None:
    """Receives `second_factor_reset` of portal.accounts, and records it for each organization of
    the person.
    """
    own = Membership.objects.filter(user=user).order_by("organization_id")
    for organization_id in own.values_list("organization_id", flat=True):
        record_change(
            organization_id,
            EventType.MEMBER_SECOND_FACTOR_RESET,
            actor=actor,
            data={"user": user.username},
        )


def organizations_of(*, username: str, **_: Any) -> list[UUID]:
    """Receives `organizations_asked` of portal.accounts."""
    own = Membership.objects.filter(user__username=username).order_by("organization_id")
    return list(own.values_list("organization_id", flat=True))


def changes(before: object, after: object, fields: tuple[str, ...]) -> dict[str, Changed]:
    """The fields that differ: `{"patience_s": {"from": 60, "to": 90}}`."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in fields}
    return {name: {"from": old, "to": new} for name, (old, new) in pairs.items() if old != new}
