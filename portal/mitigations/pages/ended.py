"""Requests that ended by themselves, shown on Now and in the list of requests until a person acknowledges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from portal.mitigations import presentation, queries, wording
from portal.mitigations.models import MitigationRequest
from portal.mitigations.presentation import Chip
from portal.organizations.models import Organization
from portal.providers.models import Subscription

SHOWN: Final = 5
"""Ended requests that Now names; it counts the rest."""
MAX_ACKNOWLEDGED: Final = 100
"""Requests that one press of the button acknowledges."""


@dataclass(frozen=True, slots=True)
class Newer:
    """A request that replaced this one."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A request that is over, and what to do next."""

    request: MitigationRequest
    asked: wording.Asked
    chip: Chip
    sentence: str
    newer: tuple[Newer, ...]
    again: str
    "the form to request it again, together with the narrower requests that replaced it"
    again_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What Now says about them."""

    rows: tuple[Ended, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows)


def ends(organization: Organization, by_id: Mapping[str, Subscription], now: datetime) -> Ends:
    waiting = queries.ended_by_itself(organization)
    found = list(waiting[: SHOWN + 1])
    rows = [
        ended(one, presentation.asked_of(one, by_id, organization), now) for one in found[:SHOWN]
    ]
    rows.sort(key=lambda row: row.chip.look.family != "bad")
    more = waiting.count() - SHOWN if len(found) > SHOWN else 0
    return Ends(rows=tuple(rows), more=more)


def ended(request: MitigationRequest, asked: wording.Asked, now: datetime) -> Ended:
    newer = newer_of(request)
    slug = request.organization.slug
    ids = [str(request.pk), *(newer if wording.is_less(asked.asked) else ())]
    return Ended(
        request=request,
        asked=asked,
        chip=presentation.request_chip(asked, now),
        sentence=wording.headline(asked, now),
        newer=tuple(
            Newer(name, reverse("mitigations:request", args=[slug, pk]))
            for pk, name in newer.items()
        ),
        again_label=wording.again_label(len(ids) - 1),
        again=f"{reverse('mitigations:new', args=[slug])}?{urlencode({'again': ids}, doseq=True)}",
    )


def newer_of(request: MitigationRequest) -> dict[str, str]:
    """Ids and names of the requests that replaced it."""
    return {
        newer["request"]: newer["name"]
        for mitigation in request.mitigations.all()
        if mitigation.is_replaced and mitigation.replaced_by
        for newer in mitigation.replaced_by["by"]
    }


def acknowledged(typed: QueryDict) -> list[str]:
    """The posted ids: of one row, or of all rows shown."""
    one = typed.get("one")
    return [one] if one else typed.getlist("requests")[:MAX_ACKNOWLEDGED]
