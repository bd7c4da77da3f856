"""Record failures of the portal itself: a request that cannot be encoded, an answer that cannot be
saved.
"""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from portal.core.database import is_away
from portal.events.models import EventType
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.services.advance import advance, settle
from portal.mitigations.services.locks import lock_mitigation, lock_requests
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.services.outcomes import (
    END_AGAIN_AFTER,
    MAX_REASON_IN_EVENT,
    MAX_REASON_SAVED,
    refreshed,
)
from portal.mitigations.services.transitions import Transition, apply, retry_at
from portal.mitigations.states import NOT_SENDABLE, Status, Trigger

logger = logging.getLogger(__name__)


@transaction.atomic(savepoint=False)
def record_not_sendable(
    *,
    mitigation_id: UUID,
    reason: str,
    never_left: bool,
    now: datetime,
    extended_at: datetime | None = None,
) -> Mitigation | None:
    """The portal cannot encode the request or its refresh. `reason` says which rule it breaks, or
    is empty.

    `never_left`: no copy was sent, so the provider cannot be acting on it. The portal retries it
    like a refused one: a later session may allow a larger message, and a later release may be able
    to send it.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    columns: MitigationColumns = {
        "refusal_code": NOT_SENDABLE,
        "refusal_reason": reason[:MAX_REASON_SAVED],
        "conflict": None,
        # As after a refused refresh, the next one is due by time.
        "refreshed_at": refreshed(mitigation, now, extended_at),
    }
    if never_left:
        columns |= {"sent_at": None, "last_sent_at": None, "sends": 0}
    elif mitigation.status == Status.PENDING:
        columns |= _put_off(mitigation, now)
    may_be_acting = mitigation.status == Status.PENDING and not never_left
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=None if may_be_acting else Trigger.NOT_SENDABLE,
        columns=columns,
        event_data={"code": NOT_SENDABLE, "reason": reason[:MAX_REASON_IN_EVENT]},
        event=EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def record_end_not_sendable(*, mitigation_id: UUID, reason: str, now: datetime) -> None:
    """The portal cannot encode the withdrawal.

    It keeps retrying, since the provider may still be filtering.
    """
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={
            "refusal_code": NOT_SENDABLE,
            "refusal_reason": reason[:MAX_REASON_SAVED],
            "retry_at": now + END_AGAIN_AFTER,
        },
        event_data={"code": NOT_SENDABLE, "reason": reason[:MAX_REASON_IN_EVENT]},
        event=EventType.MITIGATION_REFUSED,
    )
    advance(transition, now=now)


@transaction.atomic
def mark_failure(*, mitigation_id: UUID, is_answered: bool, now: datetime) -> None:
    """Record only the fact of an outcome that could not be saved in full.

    `is_answered`: the provider answered but its answer is lost; otherwise the request could not be
    sent. A single UPDATE, since anything derived from the row may be the part that failed.
    """
    # Lock the request first (docs/locking.md): the event needs it, and another transaction may hold
    # it while waiting for the row.
    lock_requests(Mitigation.objects.filter(pk=mitigation_id).values_list("request_id", flat=True))
    mitigation = Mitigation.objects.get(pk=mitigation_id)
    columns: MitigationColumns = {"unsaved_at": now, "last_heard_at": now}
    if not is_answered:
        columns = {"refusal_code": NOT_SENDABLE, "refusal_reason": ""}
    if mitigation.status == Status.PENDING and mitigation.wanted == Wanted.ACTIVE:
        columns |= _put_off(mitigation, now)
    Mitigation.objects.filter(pk=mitigation_id).update(**columns)
    transition = Transition(
        mitigation_id=mitigation_id,
        event_data={"why": "unsaved"},
        event=EventType.MITIGATION_STATUS,
    )
    try:
        with transaction.atomic():
            advance(transition, now=now)
    except Exception as error:
        # The event is derived from the row, which may be what failed. The mark itself is saved.
        if is_away(error):
            raise  # all of this is tried again
        logger.exception("mitigation %s: its failure has no event", mitigation_id)


def _put_off(mitigation: Mitigation, now: datetime) -> MitigationColumns:
    """The columns for a retry after a growing pause."""
    setbacks = mitigation.setbacks + 1
    return {"setbacks": setbacks, "retry_at": retry_at(setbacks, now)}
