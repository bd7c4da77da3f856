"""Terminate a request once a newer one that may replace it filters everything it protects.

A provider ends the older of two overlapping mitigations itself, but only if it receives both. If
the first provider refused the older request, that one can still run at the second provider while
the newer one runs at the first, and the portal would keep retrying the refused part.
"""

from __future__ import annotations

import logging
import random
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.json_value import UnreadableValueError
from portal.core.sweeping import count_done
from portal.mitigations.failover import may_filter
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    RequestKind,
    Wanted,
)
from portal.mitigations.redundancy import is_redundant
from portal.mitigations.services.locks import lock_request, lock_requests, mitigations_of
from portal.mitigations.services.terminate import terminate
from portal.mitigations.states import REQUEST_TERMINAL, STALE_AFTER, Status

logger = logging.getLogger(__name__)

MAX_PAIRS: Final = 200
"""Pairs of an older and a newer request that one sweep checks; the next sweep checks others."""


def terminate_redundant(*, now: datetime) -> int:
    """Terminate requests that are redundant beside a newer one that filters; return how many."""
    live = MitigationRequest.objects.filter(
        kind=RequestKind.IMMEDIATE, terminate_asked_at__isnull=True
    ).exclude(status__in=REQUEST_TERMINAL)
    newer = (
        live.filter(mitigations__status=Status.MITIGATING, mitigations__wanted=Wanted.ACTIVE)
        .exclude(replaces=[])
        .distinct()
    )
    older = set(live.values_list("pk", flat=True))
    pairs: list[tuple[UUID, UUID]] = []
    for one in newer.only("replaces"):
        try:
            pairs += [(replaced, one.pk) for replaced in one.replaces if replaced in older]
        except UnreadableValueError:
            logger.exception("skipping a request")
    # Pairs whose newer request filters less stay for long. A random sample keeps them from blocking
    # the pairs of other tenants.
    looked_at = random.SystemRandom().sample(pairs, min(len(pairs), MAX_PAIRS))
    return count_done(partial(_end, now=now), looked_at)


@transaction.atomic
def _end(pair: tuple[UUID, UUID], now: datetime) -> bool:
    # Lock both: the newer request must not end while the older one ends because of it.
    lock_requests(pair)
    older, newer = (lock_request(one) for one in pair)
    if older.is_over or older.terminate_asked_at is not None:
        return False
    if older.pk not in newer.replaces or newer.pk in older.replaces:
        # If each may replace the other, neither is the newer one at every provider, so a person
        # decides.
        return False
    filtering = Mitigation.objects.filter(
        request=newer,
        wanted=Wanted.ACTIVE,
        status=Status.MITIGATING,
        last_heard_at__gte=now - STALE_AFTER,
    ).select_related("request")
    still_filtering = [mitigation for mitigation in mitigations_of(older) if may_filter(mitigation)]
    if not is_redundant(older, still_filtering, newer, list(filtering)):
        return False
    terminate(request_id=older.pk, actor=Actor.portal(), newer=newer)
    return True
