"""End a request once a newer one, which was let replace it, filters all that it protects.

A provider ends the older of two overlapping mitigations by itself, but only where it gets the newer one too. A request that one provider refused may
be left at the next, while the newer one filters at the first; and what was refused would be asked again.
"""

from __future__ import annotations

import random
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.core.sweeping import count_done
from portal.mitigations.failover import may_filter
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    RequestKind,
    Wanted,
)
from portal.mitigations.replacing import is_needless
from portal.mitigations.services.advance import (
    FILTERING_HEARD_WITHIN,
    lock_request,
    lock_requests,
    mitigations_of,
)
from portal.mitigations.services.terminate import terminate
from portal.mitigations.states import REQUEST_TERMINAL, Status

MAX_PAIRS: Final = 200
"""Pairs of an older and a newer request that one sweep looks at; the next looks at others."""


def end_taken_over(*, now: datetime) -> int:
    """End what is needless beside a newer request that filters; how many requests were ended."""
    live = MitigationRequest.objects.filter(
        kind=RequestKind.IMMEDIATE, terminate_asked_at__isnull=True
    ).exclude(status__in=REQUEST_TERMINAL)
    newer = (
        live.filter(mitigations__status=Status.MITIGATING, mitigations__wanted=Wanted.ACTIVE)
        .exclude(replaces=[])
        .distinct()
    )
    older = set(live.values_list("pk", flat=True))
    pairs = [
        (UUID(replaced), one)
        for one, replaces in newer.values_list("pk", "replaces")
        for replaced in replaces
        if UUID(replaced) in older
    ]
    # Many pairs stay, since the newer request filters less. By chance none of those keeps another tenant's waiting for good.
    looked_at = random.SystemRandom().sample(pairs, min(len(pairs), MAX_PAIRS))
    return count_done(partial(_end, now=now), looked_at)


@transaction.atomic
def _end(pair: tuple[UUID, UUID], now: datetime) -> bool:
    # Both: the newer one must not end, nor be asked to, while the older one ends because of it.
    lock_requests(pair)
    older, newer = (lock_request(one) for one in pair)
    if older.is_over or older.terminate_asked_at is not None:
        return False
    if str(older.pk) not in newer.replaces or str(newer.pk) in older.replaces:
        # Two that may replace each other: neither is the newer one at every provider, and a person decides.
        return False
    filtering = Mitigation.objects.filter(
        request=newer,
        wanted=Wanted.ACTIVE,
        status=Status.MITIGATING,
        last_heard_at__gte=now - FILTERING_HEARD_WITHIN,
    ).select_related("request")
    counted_on = [mitigation for mitigation in mitigations_of(older) if may_filter(mitigation)]
    if not is_needless(older, counted_on, newer, list(filtering)):
        return False
    terminate(request_id=older.pk, actor=None, newer=newer)
    return True
