"""Write a note on a request. A note is an event: no one can change or delete it (ADR 77)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Lower
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core import throttle
from portal.core.errors import Conflict, FieldError, Invalid
from portal.events.log import append_event
from portal.events.models import Event, EventType
from portal.events.queries import notes_of
from portal.mitigations.mentions import mentioned_names
from portal.mitigations.services.locks import lock_request_for
from portal.mitigations.validation import checked_note
from portal.organizations import idempotency
from portal.organizations.models import Membership, Organization, ResultKind

MAX_NOTES: Final = 500
"""On one request."""
MAX_MENTIONED: Final = 20
"""Members that one note mentions."""
NOTES_PER_WRITER: Final = throttle.Limit(
    name="notes", tries=20, window_s=60, message="Too many notes in one minute."
)


def add_note(
    *, organization: Organization, request_id: UUID, actor: Actor, text: str, key: str = ""
) -> Event:
    """Write a note on a request, whether it is live or has ended. Returns its event.

    The same `key` and text of the same actor return the first note; another text under that key
    raises IdempotencyKeyReused. Raises Invalid, Throttled, Conflict if the request has MAX_NOTES,
    and NotFound or NotAllowed if the actor's right has ended since the call began.
    """
    text = checked_note(text)
    content = {"request": str(request_id), "text": text}
    call = idempotency.call_of(organization, actor, ResultKind.NOTE, key, content)
    throttle.count(NOTES_PER_WRITER, f"{organization.pk}:{actor.kind}:{actor.id}")
    return _save(call, organization, request_id, actor, text)


@transaction.atomic
def _save(
    call: idempotency.Call, organization: Organization, request_id: UUID, actor: Actor, text: str
) -> Event:
    request = lock_request_for(actor, request_id)
    # The log is locked now: the second of two equal calls finds the key of the first.
    call = idempotency.find(call, actor)
    notes = notes_of([request.pk])
    if call.first_result is not None:
        return notes.get(data__note=str(call.first_result))
    if notes.count() >= MAX_NOTES:
        raise Conflict(
            f"This request has {MAX_NOTES} notes, and takes no more.", code="too-many-notes"
        )
    note = uuid4()
    event = append_event(
        organization_id=organization.pk,
        type=EventType.REQUEST_NOTE,
        at=timezone.now(),
        request=request,
        actor=actor,
        data={
            "note": str(note),
            "text": text,
            "mentioned": [str(one) for one in _mentioned(organization, text)],
        },
    )
    call.save_result(note)
    return event


def unknown_names(organization: Organization, text: str) -> list[str]:
    """The names with an @ that are of no member, each once, in the order of the text. People of
    other organizations are as unknown as those that do not exist.
    """
    places = mentioned_names(text)
    ids = _members(organization, places)
    unknown = (place[-1] for place in places if not any(name in ids for name in place))
    return list(dict.fromkeys(unknown))


def _members(organization: Organization, places: Sequence[tuple[str, ...]]) -> dict[str, UUID]:
    """The ids of those that are named, by name."""
    if not places:
        return {}
    members = Membership.objects.filter(organization=organization, user__is_active=True)
    names = {name for place in places for name in place}
    found = members.annotate(name=Lower("user__username")).filter(name__in=names)
    return dict(found.values_list("name", "user_id"))


def _mentioned(organization: Organization, text: str) -> Sequence[UUID]:
    """The members that the text names, each once, in its order. Any other name is plain text, so
    that a note tells nothing about the people of other organizations.
    """
    places = mentioned_names(text)
    ids = _members(organization, places)
    first = (next((ids[name] for name in place if name in ids), None) for place in places)
    mentioned = [one for one in dict.fromkeys(first) if one is not None]
    if len(mentioned) > MAX_MENTIONED:
        message = f"The note mentions {len(mentioned)} members: at most {MAX_MENTIONED} at once."
        raise Invalid(
            f"Nothing was saved. {message}",
            errors=[FieldError("text", "too-many-mentioned", message)],
        )
    return mentioned
