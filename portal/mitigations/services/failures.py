"""What goes wrong in the portal itself: a request that cannot be put into a message, an answer that cannot be saved."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from portal.mitigations.models import EventType, Mitigation, Wanted
from portal.mitigations.services.advance import (
    Step,
    advance,
    apply,
    lock_mitigation,
    lock_requests,
    retry_at,
    settle,
)
from portal.mitigations.services.observed import (
    END_AGAIN_AFTER,
    MAX_REASON_KEPT,
    MAX_REASON_TOLD,
    refreshed,
)
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
    """The portal cannot put the request, or its refresh, into a message; `reason` says which rule it breaks, or nothing.

    `never_left`: no copy of it has ever left, so the provider cannot be acting on it. It is tried again like one that
    was refused: a later session may take a larger message, and a later release may send it.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    columns: dict[str, Any] = {
        "refusal_code": NOT_SENDABLE,
        "refusal_reason": reason[:MAX_REASON_KEPT],
        "conflict": None,
        # As with a refused refresh, the next one is due by time.
        "refreshed_at": refreshed(mitigation, now, extended_at),
    }
    if never_left:
        columns |= {"sent_at": None, "last_sent_at": None, "sends": 0}
    elif mitigation.status == Status.PENDING:
        columns |= _put_off(mitigation, now)
    may_be_acting = mitigation.status == Status.PENDING and not never_left
    step = Step(
        mitigation_id=mitigation_id,
        trigger=None if may_be_acting else Trigger.NOT_SENDABLE,
        columns=columns,
        told={"code": NOT_SENDABLE, "reason": reason[:MAX_REASON_TOLD]},
        event=EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def record_end_not_sendable(*, mitigation_id: UUID, reason: str, now: datetime) -> None:
    """The same of a withdrawal. It is not given up, since the provider may go on filtering."""
    step = Step(
        mitigation_id=mitigation_id,
        columns={
            "refusal_code": NOT_SENDABLE,
            "refusal_reason": reason[:MAX_REASON_KEPT],
            "retry_at": now + END_AGAIN_AFTER,
        },
        told={"code": NOT_SENDABLE, "reason": reason[:MAX_REASON_TOLD]},
        event=EventType.MITIGATION_REFUSED,
    )
    advance(step, now=now)


@transaction.atomic
def mark_failure(*, mitigation_id: UUID, is_answered: bool, now: datetime) -> None:
    """The least that can be written of an outcome, where writing it whole failed.

    `is_answered`: the provider answered, and what it said is lost; else the request could not be sent. One statement by
    itself, since what failed may be anything that is derived from the row.
    """
    # In the order of docs/locking.md, though the event may fail: it locks the request, and somebody who has it may wait for the row.
    lock_requests(Mitigation.objects.filter(pk=mitigation_id).values_list("request_id", flat=True))
    mitigation = Mitigation.objects.get(pk=mitigation_id)
    columns: dict[str, Any] = {"unsaved_at": now, "last_heard_at": now}
    if not is_answered:
        columns = {"refusal_code": NOT_SENDABLE, "refusal_reason": ""}
    if mitigation.status == Status.PENDING and mitigation.wanted == Wanted.ACTIVE:
        columns |= _put_off(mitigation, now)
    Mitigation.objects.filter(pk=mitigation_id).update(**columns)
    step = Step(
        mitigation_id=mitigation_id, told={"why": "unsaved"}, event=EventType.MITIGATION_STATUS
    )
    try:
        with transaction.atomic():
            advance(step, now=now)
    except Exception:
        logger.exception("mitigation %s: its failure is no event", mitigation_id)


def _put_off(mitigation: Mitigation, now: datetime) -> dict[str, Any]:
    """Asked again later, each time after a longer pause."""
    setbacks = mitigation.setbacks + 1
    return {"setbacks": setbacks, "retry_at": retry_at(setbacks, now)}
