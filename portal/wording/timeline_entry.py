"""An entry of the timeline, and the event it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.events.data import EventData
from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.wording.facts import Badge

PERSON: Final = Badge("", "person", "idle")


TO_PROVIDER: Final = Badge("", "out", "idle")


FROM_PROVIDER: Final = Badge("", "in", "idle")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """One event, as sentences need it."""

    at: datetime
    type: EventType
    data: EventData
    provider: str = ""
    "short name"
    actor: str = ""
    "who acted, at the start of a sentence"
    is_by_person: bool = True
    request: str = ""
    "the request's name"
    reason: str = ""
    "what the person wrote"
    because: str = ""
    "why the provider was asked, as a clause"
    withdrawn_because: str = ""
    "why policy withdrew the provider, as a clause"
    asked_at: datetime | None = None
    has_filtered: bool = False
    "the provider reported before that it filters for this request"
    is_ours: bool = False
    "the end was asked for by us"
    is_stopped: bool = False
    "a person stopped its filtering for a plan, which it holds again afterwards"
    kind: RequestKind = RequestKind.IMMEDIATE

    @property
    def why(self) -> str:
        """The code beside the status; earlier releases wrote it with spaces."""
        return str(self.data.get("why", "")).replace(" ", "_")

    @property
    def is_plan(self) -> bool:
        return self.kind != RequestKind.IMMEDIATE

    @property
    def who(self) -> str:
        """Who acted: the person, the portal's staff, or else the portal."""
        return self.actor or ("Portal staff" if self.data.get("by") == "staff" else "The portal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the timeline: the actor, the action, and a detail below."""

    at: datetime
    badge: Badge
    what: str
    detail: str = ""
    merges: str = ""
    "entries of the same moment with the same text are merged"
    provider: str = ""
