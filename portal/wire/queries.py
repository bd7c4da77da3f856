"""Queries of the journal, always of one request that `request_for` returned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from portal.mitigations.models import MitigationRequest
from portal.wire.models import Direction, Topic, WireMessage

AROUND: Final = timedelta(seconds=60)
"""How long before and after a request messages of its sessions are shown beside it."""
_PLACE: Final = re.compile(r"(\d{1,17})-(\d{1,18})")


class Which(Enum):
    """How much of the journal is shown."""

    OWN = "own"
    SESSION = "session"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the journal: everything older than this message follows."""

    at: datetime
    id: int

    @classmethod
    def of(cls, message: WireMessage) -> Place:
        return cls(message.at, message.pk)

    @classmethod
    def read(cls, text: str) -> Place | None:
        """None for what is not one of ours."""
        match = _PLACE.fullmatch(text) if text.isascii() else None
        if match is None:
            return None
        try:
            at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(match[1]))
        except OverflowError:
            return None
        return cls(at, int(match[2]))

    def __str__(self) -> str:
        return (
            f"{(self.at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)}-{self.id}"
        )


@dataclass(frozen=True, slots=True)
class Copies:
    """How often a request was sent before an answer, and when last."""

    count: int
    last_at: datetime


def messages(
    request: MitigationRequest, which: Which, *, subscription: UUID | None = None
) -> QuerySet[WireMessage]:
    """The request's messages, newest first, with those of its sessions in that time if wanted.

    Gaps in that time are always included.
    """
    mitigations = [
        mitigation
        for mitigation in request.mitigations.all()
        if subscription is None or mitigation.subscription_id == subscription
    ]
    meanwhile = Q(
        subscription__in=[mitigation.subscription_id for mitigation in mitigations],
        organization=request.organization_id,
        mitigation__isnull=True,
        at__gte=request.created_at - AROUND,
        at__lte=(request.ended_at or timezone.now()) + AROUND,
    )
    if which is Which.OWN:
        # A poll of everything that a session holds includes this request.
        meanwhile &= Q(direction=Direction.NOT_KEPT) | Q(topic=Topic.MITIGATION)
    elif which is Which.SESSION:
        meanwhile &= ~Q(topic=Topic.HEARTBEAT)
    own = Q(
        mitigation__in=[mitigation.pk for mitigation in mitigations],
        organization=request.organization_id,
    )
    return (
        WireMessage.objects.filter(own | meanwhile)
        .select_related("subscription__provider", "mitigation")
        .order_by("-at", "-id")
    )


def saying(found: QuerySet[WireMessage], text: str) -> QuerySet[WireMessage]:
    """Only messages with the text in their decoded body, path, options or code."""
    return found.filter(
        Q(body__icontains=text)
        | Q(path__icontains=text)
        | Q(options__icontains=text)
        | Q(not_read__icontains=text)
        | Q(code=text)
    )


def before(found: QuerySet[WireMessage], place: Place | None) -> QuerySet[WireMessage]:
    """Only what is older than a place."""
    if place is None:
        return found
    return found.filter(Q(at__lt=place.at) | Q(at=place.at, id__lt=place.id))


def copy_counts(shown: Iterable[WireMessage]) -> dict[UUID, Copies]:
    """The number of copies of the shown messages, by `run`."""
    runs = {message.run for message in shown if message.run is not None}
    rows = (
        WireMessage.objects.filter(run__in=runs)
        .order_by()
        .values_list("run")
        .annotate(count=Count("pk"), last=Max("at"))
    )
    return {run: Copies(count, last) for run, count, last in rows}
