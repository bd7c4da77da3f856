"""The events that say what someone did, and the audit entries that are made from them.

Such an event is written once, with its change; a task makes the entry afterwards, so that a
submission costs no statement more (ADR 64).
"""

from __future__ import annotations

from typing import Final, cast
from uuid import UUID

from django.db.models import Q

from portal.accounts.actors import Actor, ActorKind
from portal.audit.models import AuditEntry
from portal.audit.origin import Origin
from portal.audit.recording import Object, entry_row
from portal.events.cursors import MAX_BATCH, next_events, with_news
from portal.events.models import Event, EventType

CONSUMER: Final = "audit"
REPORTS: Final = frozenset(
    {
        EventType.REQUEST_STATUS,
        EventType.MITIGATION_SENT,
        EventType.MITIGATION_STATUS,
        EventType.MITIGATION_COUNTERS,
        EventType.MITIGATION_REFUSED,
        EventType.DRILL_ENDED,
        EventType.UNKNOWN_FOUND,
        EventType.UNKNOWN_CHANGED,
        EventType.UNKNOWN_ENDED,
        EventType.RESOURCE_CHECKED,
        EventType.RESOURCE_PROOF_MISSING,
        EventType.INCIDENT_BEGAN,
        EventType.INCIDENT_CHANGED,
        EventType.PROPOSAL_MADE,
        EventType.PROPOSAL_ENDED,
        EventType.SESSION_UP,
        EventType.SESSION_DOWN,
    }
)
"""What the network or the portal found out. Every other type is an act."""
ACTS: Final = frozenset(EventType) - REPORTS
_WITH_REASON: Final = (EventType.ORGANIZATION_CHANGED, EventType.MEMBER_REMOVED)
_ABOUT_ACTORS: Final = ("actor", "actor_kind", "acting_reason", "by")
_OBJECTS: Final = {
    # the first part of the type → kind of the object, keys of its id and its name
    "member": ("person", "", "user"),
    "resource": ("resource", "resource", "name"),
    "subscription": ("provider", "subscription", "provider"),
    "drill": ("drill", "drill", ""),
    "proposal": ("proposal", "proposal", "name"),
    "unknown_mitigation": ("unknown_mitigation", "unknown_mitigation", ""),
}


def record_acts() -> int:
    """Make the entries of all new acts. Returns how many."""
    return sum(_record(one) for one in with_news(CONSUMER, Q(type__in=ACTS)))


def _record(organization_id: UUID) -> int:
    count = 0
    while True:
        with next_events(CONSUMER, organization_id, types=ACTS) as events:
            names = _names_of_requests(events)
            AuditEntry.objects.bulk_create(_entry(event, names) for event in events)
        count += len(events)
        if len(events) < MAX_BATCH:
            return count


def _names_of_requests(events: list[Event]) -> dict[UUID, str]:
    wanted = {event.request_id for event in events if event.request_id}
    submitted = Event.objects.filter(request_id__in=wanted, type=EventType.REQUEST_SUBMITTED)
    return {
        event.request_id: event.data.get("name", "")
        for event in submitted.order_by("seq")
        if event.request_id
    }


def _entry(event: Event, names: dict[UUID, str]) -> AuditEntry:
    before, after = _values(event)
    return entry_row(
        event.type,
        organization_id=event.organization_id,
        at=event.at,
        actor=_actor(event),
        about=_object(event, names),
        before=before or None,
        after=after or None,
        reason=event.data.get("acting_reason") or _reason(event),
        is_by_staff=ActorKind.STAFF in (event.data.get("by"), event.data.get("actor_kind")),
        origin=Origin(**(event.origin or {})),
        event_seq=event.seq,
    )


def _actor(event: Event) -> Actor | None:
    kind = event.data.get("actor_kind")
    if event.actor is not None and kind == ActorKind.STAFF:
        return Actor(ActorKind.STAFF, str(event.actor.pk), event.data["actor"])
    if event.actor is not None:
        return Actor.person(event.actor)
    if kind not in ActorKind.values:
        return None
    return Actor(ActorKind(kind), name=event.data.get("actor", ""))


def _object(event: Event, names: dict[UUID, str]) -> Object:
    data = cast(dict[str, object], event.data)
    if event.request_id:
        return Object("request", event.request_id, names.get(event.request_id, ""))
    family = event.type.partition(".")[0]
    if family not in _OBJECTS:
        return Object("organization", event.organization_id)
    kind, key, name = _OBJECTS[family]
    # An invitation has an address instead of a member.
    return Object(kind, data.get(key, ""), str(data.get(name) or data.get("email", "")))


def _reason(event: Event) -> str:
    """Why staff did it, where the values have no place for that."""
    return event.data.get("reason", "") if event.type in _WITH_REASON else ""


def _values(event: Event) -> tuple[dict[str, object], dict[str, object]]:
    """The values before and after, by field."""
    data = {name: one for name, one in event.data.items() if name not in _ABOUT_ACTORS}
    changed = event.data.get("changed")
    if changed:
        return (
            {name: one["from"] for name, one in changed.items()},
            {name: one["to"] for name, one in changed.items()},
        )
    if event.type == EventType.RESOURCE_RENAMED:
        return {"name": data.get("former_name")}, {"name": data.get("name")}
    if event.type == EventType.MEMBER_ROLE_CHANGED:
        return {"role": data.get("previous")}, {"role": data.get("role")}
    if event.type == EventType.MEMBER_REMOVED:
        return {"role": data.get("role")}, {}
    return {}, data
