"""From events to the facts that sentences are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from portal import wording
from portal.events.models import Event, EventType
from portal.mitigations.models import RequestKind


def event_facts(
    event: Event, request_name: str = "", reason: str = "", *, provider: str = ""
) -> wording.EventFacts:
    """`provider` names whom an event without a mitigation is about."""
    mitigation = event.mitigation
    kind = RequestKind(event.request.kind) if event.request else RequestKind.IMMEDIATE
    is_withdrawn = mitigation is not None and mitigation.withdrawn_by_id is not None
    return wording.EventFacts(
        at=event.at,
        type=EventType(event.type),
        data=event.data,
        provider=mitigation.subscription.provider.short_name if mitigation else provider,
        actor=event.actor.username if event.actor else str(event.data.get("actor", "")),
        request=request_name,
        reason=reason,
        because=mitigation.because if mitigation else "",
        asked_at=mitigation.asked_at if mitigation else None,
        kind=kind,
        is_ours=bool(mitigation and mitigation.withdrawal_asked_at),
        is_stopped=is_withdrawn and kind == RequestKind.STANDBY,
    )


def status_moments(events: Iterable[Event]) -> dict[UUID, datetime]:
    """When each mitigation's newest status was first reported; `events` newest first."""
    moments: dict[UUID, datetime] = {}
    for event in events:
        if event.type != EventType.MITIGATION_STATUS or event.mitigation_id is None:
            continue
        if event.data.get("status") != event.data.get("previous"):
            moments.setdefault(event.mitigation_id, event.at)
    return moments
