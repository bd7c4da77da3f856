"""The managers of the portal's staff. One who can sign in always stays: whatever ends the role or
the access of a manager asks `refusal_to_lose` first.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from portal.accounts.enrolled import signs_in_here
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.core.formatting import listed

MANAGER: Final = Q(is_staff=True, is_superuser=True, is_active=True)


def is_manager(user: User) -> bool:
    return user.is_active and user.is_staff and user.is_superuser


def managers() -> QuerySet[User]:
    """Those who can act now, by name."""
    return User.objects.filter(MANAGER).order_by("username")


def lock_managers(*others: UUID) -> dict[UUID, User]:
    """Lock the rows of all managers and of `others`, which are ids, until the transaction ends, and
    return them by id. In one order, so that two changes never wait for each other.
    """
    rows = User.objects.select_for_update(no_key=True).filter(MANAGER | Q(pk__in=others))
    return {one.pk: one for one in rows.order_by("pk")}


def refusal_to_lose(leaving: Collection[User]) -> str:
    """Why these people cannot all lose the role, and their access: no other manager could sign in,
    which takes a second factor. Empty if they can.
    """
    gone = sorted(one.username for one in leaving if is_manager(one))
    others = managers().exclude(pk__in=[one.pk for one in leaving])
    if not gone or others.filter(signs_in_here("pk", "password")).exists():
        return ""
    who = f"{listed(gone)} {'is the last manager' if len(gone) == 1 else 'are the last managers'}"
    return (
        f"{who} of the portal's staff who can sign in. First give the role of manager to a "
        "colleague who has a second factor."
    )


def require_another_manager(user: User) -> None:
    """Conflict for the last manager. Call it after `lock_managers`."""
    if refusal := refusal_to_lose([user]):
        raise Conflict(refusal, code="last-manager")
