"""The notes on requests, which are events of the log (ADR 77)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.wording import who
from portal.events.models import Event
from portal.events.queries import notes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note, as it was written."""

    id: str
    at: datetime
    by: str
    "who wrote it, as text"
    origin: ActorKind
    text: str
    mentioned: tuple[str, ...]
    "the ids of the members that it names"

    @classmethod
    def of(cls, event: Event) -> Note:
        """Read an event of the type `request.note`."""
        data = event.data
        kind = ActorKind(data["actor_kind"])
        return cls(
            id=data["note"],
            at=event.at,
            by=who(Actor(kind, name=data["actor"])),
            origin=kind,
            text=data["text"],
            mentioned=tuple(data["mentioned"]),
        )


@dataclass(frozen=True, slots=True)
class LatestNote:
    """The newest note on a request, and how many there are."""

    note: Note
    count: int


def latest_notes(request_ids: Collection[UUID]) -> Mapping[UUID | None, LatestNote]:
    """By request; those without a note are missing. One statement, or none without requests."""
    if not request_ids:
        return {}
    partition = F("request_id")
    newest = (
        notes_of(request_ids)
        .annotate(
            count=Window(Count("pk"), partition_by=partition),
            place=Window(RowNumber(), partition_by=partition, order_by=F("seq").desc()),
        )
        .filter(place=1)
    )
    return {event.request_id: LatestNote(Note.of(event), event.count) for event in newest}
