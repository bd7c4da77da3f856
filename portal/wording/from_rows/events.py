"""Convert events to the facts that sentences are made from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from portal import wording
from portal.accounts.actors import Actor, ActorKind
from portal.accounts.wording import who_first
from portal.events.models import Event, EventType
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, WithdrawnCause
from portal.providers.models import Subscription
from portal.wording import causes
from portal.wording.from_rows.mitigations import asked_because


@dataclass(frozen=True, slots=True)
class Subjects:
    """The rows that some events are about, by id."""

    requests: Mapping[UUID | None, MitigationRequest]
    mitigations: Mapping[UUID | None, Mitigation]
    providers: Mapping[str, str]
    "short names by subscription, of the providers that the events name"


def subjects_of(events: Iterable[Event], known: Iterable[MitigationRequest] = ()) -> Subjects:
    """The rows of these events. `known`: requests already loaded, with their mitigations."""
    requests: dict[UUID | None, MitigationRequest] = {one.pk: one for one in known}
    mitigations: dict[UUID | None, Mitigation] = {
        one.pk: one for request in known for one in request.mitigations.all()
    }
    if ids := _missing((event.request_id for event in events), requests):
        requests |= MitigationRequest.objects.in_bulk(ids)
    if ids := _missing((event.mitigation_id for event in events), mitigations):
        rows = Mitigation.objects.select_related(
            "subscription__provider", "cause_subscription__provider"
        )
        mitigations |= rows.in_bulk(ids)
    named = {UUID(one) for event in events for one in event.data.get("subscriptions", ())}
    providers = Subscription.objects.filter(pk__in=named).values_list("pk", "provider__short_name")
    return Subjects(
        requests=requests,
        mitigations=mitigations,
        providers={str(pk): name for pk, name in providers} if named else {},
    )


def _missing(ids: Iterable[UUID | None], loaded: Collection[UUID | None]) -> set[UUID]:
    return {one for one in ids if one is not None and one not in loaded}


def event_facts(
    event: Event,
    subjects: Subjects,
    request_name: str = "",
    reason: str = "",
    *,
    provider: str = "",
) -> wording.EventFacts:
    """`provider` is the name for an event without a mitigation."""
    mitigation = subjects.mitigations.get(event.mitigation_id)
    request = subjects.requests.get(event.request_id)
    kind = RequestKind(request.kind) if request else RequestKind.IMMEDIATE
    is_withdrawn = mitigation is not None and mitigation.withdrawn_by_id is not None
    return wording.EventFacts(
        at=event.at,
        type=EventType(event.type),
        data=event.data,
        provider=mitigation.subscription.provider.short_name
        if mitigation
        else provider or str(event.data.get("provider", "")),
        actor=_actor(event),
        is_by_person=event.data.get("actor_kind", ActorKind.PERSON)
        in (ActorKind.PERSON, ActorKind.STAFF),
        request=request_name,
        reason=reason,
        because=asked_because(mitigation) if mitigation else "",
        withdrawn_because=_withdrawn_because(event, subjects),
        asked_at=mitigation.asked_at if mitigation else None,
        kind=kind,
        is_ours=bool(mitigation and mitigation.withdrawal_asked_at),
        is_stopped=is_withdrawn and kind == RequestKind.STANDBY,
    )


def _withdrawn_because(event: Event, subjects: Subjects) -> str:
    """Why policy withdrew a provider, as a clause.

    Events of earlier releases have the clause itself.
    """
    if event.type != EventType.MITIGATION_WITHDRAW_REQUESTED or "cause" not in event.data:
        return str(event.data.get("because", ""))
    names = [subjects.providers[one] for one in event.data["subscriptions"]]
    return causes.withdrawn_because(WithdrawnCause(event.data["cause"]), names)


def _actor(event: Event) -> str:
    """The actor at the start of a sentence; empty if the event names none.

    Events of earlier releases have no kind.
    """
    kind, name = event.data.get("actor_kind"), str(event.data.get("actor", ""))
    return who_first(Actor(ActorKind(kind), name=name)) if kind in ActorKind.values else name
