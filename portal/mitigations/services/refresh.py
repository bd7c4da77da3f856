"""Ask a provider to confirm now that it still holds a mitigation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.core.broadcast import wake_on_commit
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.services.locks import lock_mitigation
from portal.mitigations.states import CONFIRMED

JUST_AFTER: Final = timedelta(microseconds=1)


@transaction.atomic
def ask_refresh(*, mitigation_id: UUID) -> datetime | None:
    """Ask the provider to confirm now that it still holds it. Returns the time of the request; None
    if it is not held.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.wanted == Wanted.WITHDRAWN or mitigation.status not in CONFIRMED:
        return None
    mitigation.refresh_asked_at = time_of_refresh(mitigation, timezone.now())
    mitigation.save(update_fields=["refresh_asked_at"])
    wake_on_commit(mitigation.subscription_id, mitigation_id)
    return mitigation.refresh_asked_at


def time_of_refresh(mitigation: Mitigation, now: datetime) -> datetime:
    """`now`, or just after the last refresh and the last time one was asked for.

    The clock of the signal worker, which saves refreshes, may be ahead of ours. And no two requests
    have the same time: it tells the worker whether its PUT includes the latest one.
    """
    earlier = mitigation.refreshed_at, mitigation.refresh_asked_at
    return max([now, *(one + JUST_AFTER for one in earlier if one is not None)])
