"""The event log: numbered per organization, broadcast on commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from portal.accounts.models import User
from portal.core.broadcast import broadcast_on_commit
from portal.mitigations.models import Event, EventCounter, EventType, Mitigation, MitigationRequest


@transaction.atomic(savepoint=False)
def append_event(
    *,
    organization_id: UUID,
    type: EventType,
    at: datetime,
    request: MitigationRequest | None = None,
    mitigation: Mitigation | None = None,
    actor: User | None = None,
    data: dict[str, Any] | None = None,
) -> Event:
    """Append one line. Call it last in a transaction: the counter's row lock orders commits by `seq`."""
    event = Event.objects.create(
        organization_id=organization_id,
        seq=_next_seq(organization_id),
        at=at,
        type=type,
        request=request,
        mitigation=mitigation,
        actor=actor,
        data={**({"actor": actor.username} if actor else {}), **(data or {})},
    )
    broadcast_on_commit(organization_id, event.as_message())
    return event


def _next_seq(organization_id: UUID) -> int:
    counters = EventCounter.objects.filter(organization_id=organization_id)
    if not counters.update(last_seq=F("last_seq") + 1):
        EventCounter.objects.get_or_create(organization_id=organization_id)
        counters.update(last_seq=F("last_seq") + 1)
    return counters.values_list("last_seq", flat=True).get()
