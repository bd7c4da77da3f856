"""Efficacy updates: what people report about the attack, and how providers answer (RFC 9132 section
4.4.3).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.broadcast import wake_on_commit
from portal.core.errors import Conflict, FieldError, Invalid
from portal.events.data import EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.services.locks import lock_mitigation, lock_request_for, mitigations_of
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.services.outcomes import MAX_REASON_IN_EVENT, MAX_REASON_SAVED
from portal.mitigations.services.terminate import refuse_if_ending
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import ATTACK_STATUSES, CONFIRMED

MAX_TRIES: Final = 5
"""A provider that asks the portal to retry later this many times has refused."""


@transaction.atomic
def report_efficacy(*, request_id: UUID, actor: Actor, attack_status: str) -> MitigationRequest:
    """Report the attack status to every provider that holds the request.

    Replaces a report that is still waiting.
    """
    if attack_status not in ATTACK_STATUSES:
        message = f"Choose one of {', '.join(ATTACK_STATUSES)}."
        error = FieldError(field="attack_status", code="unknown-attack-status", message=message)
        raise Invalid("Nothing was sent. Correct one thing.", errors=[error])
    request = lock_request_for(actor, request_id)
    refuse_if_ending(request)
    if not request.is_immediate:
        raise Conflict(
            "The portal does not report this to a provider that filters for a plan: "
            "some would take it as a stop "
            "request. Activate the plan, then report how it looks.",
            code="nobody-to-tell",
        )
    sent = [
        mitigation
        for mitigation in mitigations_of(request)
        if mitigation.status in CONFIRMED and mitigation.wanted == Wanted.ACTIVE
    ]
    if not sent:
        raise Conflict(
            "No provider has confirmed yet, so there is no provider to tell.", code="nobody-to-tell"
        )
    now = timezone.now()
    columns: MitigationColumns = {
        "efficacy": ATTACK_STATUSES[attack_status],
        "efficacy_asked_at": now,
        "efficacy_accepted": None,
        "efficacy_code": "",
        "efficacy_reason": "",
        "efficacy_retry_at": None,
        "efficacy_tries": 0,
    }
    for mitigation in sent:
        _set(mitigation, columns)
        wake_on_commit(mitigation.subscription_id, mitigation.pk)
        append_event(
            organization_id=request.organization_id,
            type=EventType.MITIGATION_EFFICACY,
            at=now,
            request=request,
            mitigation=mitigation,
            actor=actor,
            data={"attack_status": attack_status, "answered": False},
        )
    return request


@transaction.atomic(savepoint=False)
def record_efficacy_answered(
    *,
    mitigation_id: UUID,
    asked_at: datetime,
    is_accepted: bool,
    now: datetime,
    code: str = "",
    reason: str = "",
    retry_after_s: int | None = None,
) -> Mitigation | None:
    """Record the answer to the report made at `asked_at`. No code and not accepted means that no
    answer came.

    `retry_after_s`: the wait that the provider asked for. The portal then repeats the report, up to
    MAX_TRIES times.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    event_data = EventData(answered=True, accepted=is_accepted)
    if code:
        event_data |= {"code": code, "reason": reason[:MAX_REASON_IN_EVENT]}
    columns = MitigationColumns()
    # An answer to a report that a newer one has replaced becomes an event and changes nothing else.
    if mitigation.efficacy_asked_at == asked_at:
        columns = {"efficacy_code": code, "efficacy_reason": reason[:MAX_REASON_SAVED]}
        tries = mitigation.efficacy_tries + 1
        if retry_after_s is not None and tries < MAX_TRIES:
            retry_at = now + timedelta(seconds=retry_after_s)
            columns |= {"efficacy_retry_at": retry_at, "efficacy_tries": tries}
            event_data["retry_at"] = retry_at.isoformat()
        else:
            columns |= {
                "efficacy_answered_at": asked_at,
                "efficacy_accepted": is_accepted,
                "efficacy_retry_at": None,
            }
    transition = Transition(
        mitigation_id=mitigation_id,
        columns=columns,
        event_data=event_data,
        event=EventType.MITIGATION_EFFICACY,
    )
    apply(mitigation, transition, now=now)
    return mitigation


def _set(mitigation: Mitigation, columns: MitigationColumns) -> None:
    for name, value in columns.items():
        setattr(mitigation, name, value)
    mitigation.save(update_fields=list(columns))
