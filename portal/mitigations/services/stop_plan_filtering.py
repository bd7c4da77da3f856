"""Stop filtering for a plan at its providers, and have them hold the plan again afterwards.

The pending work is in the rows: a withdrawn mitigation with `hold_again`. The transaction that
settles its request after its end also starts the new one, so it is neither lost nor done twice.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.sweeping import count_done
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.services.advance import settle, settle_ends_of_filtering
from portal.mitigations.services.locks import (
    lock_mitigation,
    lock_request,
    lock_request_for,
    mitigations_of,
)
from portal.mitigations.services.start_and_end import end_mitigation
from portal.mitigations.states import ACTIVE, TERMINAL
from portal.mitigations.wind_down import WIND_DOWN_AT_MOST

MAX_RESUMED: Final = 200
"""Maximum requests per sweep; the rest waits for the next one."""


@transaction.atomic
def stop_filtering(*, request_id: UUID, actor: Actor) -> MitigationRequest:
    """Withdraw the providers that activated a plan; those that only hold it continue.

    Repeating it changes nothing.
    """
    actor.require_person()
    request = lock_request_for(actor, request_id)
    now = timezone.now()
    settle_ends_of_filtering(mitigations_of(request))
    for mitigation in mitigations_of(request):
        if mitigation.wanted == Wanted.ACTIVE and mitigation.status in ACTIVE:
            end_mitigation(mitigation, now=now, actor=actor, hold_again=True)
    settle(request, now=now)
    return request


@transaction.atomic
def give_up(*, mitigation_id: UUID) -> None:
    """The plan was replaced or removed: providers that stop are not asked to hold this version
    again.
    """
    mitigation = lock_mitigation(mitigation_id)
    mitigation.hold_again = False
    mitigation.save(update_fields=["hold_again"])
    settle(mitigation.request, now=timezone.now())


def resume_holding(*, now: datetime) -> int:
    """Ask providers to hold a plan again if their withdrawal is so old that they must have stopped;
    return how many plans were checked.
    """
    due = Mitigation.objects.filter(
        Q(status__in=TERMINAL) | Q(withdrawal_confirmed_at__lte=now - WIND_DOWN_AT_MOST),
        hold_again=True,
    )
    requests = set(due.values_list("request_id", flat=True)[:MAX_RESUMED])
    return count_done(partial(_settle_again, now=now), requests)


@transaction.atomic
def _settle_again(request_id: UUID, now: datetime) -> bool:
    settle(lock_request(request_id), now=now)
    return True
