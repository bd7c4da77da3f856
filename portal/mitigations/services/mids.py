"""Raise the mid counter above the mids that a provider already holds.

After a restored backup, or a failover that lost the last seconds, `next_mid` is behind them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.events.log import lock_log
from portal.events.models import EventType
from portal.events.queries import of_mitigation
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_mitigation
from portal.mitigations.services.start_and_end import allocate_mid
from portal.mitigations.services.transitions import Transition, apply
from portal.providers.models import Subscription

MAX_HIGHER_MIDS: Final = 10
"""How often one mitigation takes a higher mid because its own was in use, before the refusal is
final.
"""
IN_USE: Final = "mid_in_use"
IN_DOUBT: Final = "mid_in_doubt"
"""`why` of events about a mid."""


def raise_next_mid(*, subscription_id: UUID, to: int) -> bool:
    """Raise the counter to `to`; False if it is already there. It is never lowered."""
    behind = Subscription.objects.filter(pk=subscription_id, next_mid__lt=to)
    return bool(behind.update(next_mid=to))


@transaction.atomic(savepoint=False)
def take_higher_mid(
    *,
    mitigation_id: UUID,
    refused_mid: int,
    to: int,
    is_listed: bool,
    is_in_use: bool,
    now: datetime,
) -> int | None:
    """Give an unconfirmed mitigation a mid of at least `to` and return it; None if it keeps
    `refused_mid` and the refusal is final.

    Repeating the call changes nothing. Without a list from the provider (`is_listed`) the portal
    does not know how many mids are in use, so each further attempt skips twice as many.
    `is_in_use`: the provider holds another mitigation under `refused_mid`; False if that is not
    known.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.wanted != Wanted.ACTIVE or mitigation.is_over:
        return None
    if mitigation.mid != refused_mid:
        return mitigation.mid
    taken = _taken(mitigation)
    if mitigation.confirmed_at is not None or taken >= MAX_HIGHER_MIDS:
        return None
    # Lock the event counter before the subscription (docs/locking.md).
    lock_log(mitigation.organization_id)
    to = max(to, refused_mid + (1 if is_listed else 2**taken))
    raise_next_mid(subscription_id=mitigation.subscription_id, to=to)
    mid = allocate_mid(mitigation.subscription_id)
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={"mid": mid},
        event_data={
            "why": IN_USE if is_in_use else IN_DOUBT,
            "mid": mid,
            "refused_mid": refused_mid,
        },
        event=EventType.MITIGATION_STATUS,
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mid


def _taken(mitigation: Mitigation) -> int:
    events = of_mitigation(mitigation.pk, EventType.MITIGATION_STATUS)
    return events.filter(data__why__in=[IN_USE, IN_DOUBT]).count()
