"""Unrequested ends, shown on Now, with the plans and in the list of requests until a person
acknowledges them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from portal import wording
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services import SeenEnd
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.web.requests.provider_cards import Chip, end_chip
from portal.web.requests.request_form import typed_id
from portal.wording.from_rows.mitigations import request_facts

SHOWN: Final = 5
"""Ended requests that Now names; it counts the rest."""


@dataclass(frozen=True, slots=True)
class NewerLink:
    """A request that replaced this one."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An ended request, or a plan for which no provider filters any more; and what to do next."""

    request: MitigationRequest
    at: datetime | None
    url: str
    facts: wording.RequestFacts
    chip: Chip
    sentence: str
    newer: tuple[NewerLink, ...]
    again: str
    """the form to request it again, together with the narrower requests that replaced it; for a
    plan, where to activate it
    """
    again_label: str

    @property
    def value(self) -> str:
        return end_value(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What Now says about them."""

    rows: tuple[Ended, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows)


def ends(
    waiting: QuerySet[MitigationRequest],
    organization: Organization,
    by_id: Mapping[str, Subscription],
    now: datetime,
) -> Ends:
    """`waiting`: those of `queries.ended_by_itself` that belong on the page."""
    found = list(waiting.select_related("plan")[: SHOWN + 1])
    rows = [ended(one, request_facts(one, by_id, organization), now) for one in found[:SHOWN]]
    rows.sort(key=lambda row: row.chip.badge.family != "bad")
    more = waiting.count() - SHOWN if len(found) > SHOWN else 0
    return Ends(rows=tuple(rows), more=more)


def ended(request: MitigationRequest, facts: wording.RequestFacts, now: datetime) -> Ended:
    if request.filtering_ended_at is not None:
        return _filtering_ended(request, facts, now)
    newer = newer_of(request)
    slug = request.organization.slug
    ids = [str(request.pk), *(newer if wording.is_less(facts.started) else ())]
    return Ended(
        request=request,
        at=request.ended_at,
        url=request.get_absolute_url(),
        facts=facts,
        chip=end_chip(facts, now),
        sentence=wording.end_sentence(facts, now),
        newer=tuple(
            NewerLink(name, reverse("requests:request", args=[slug, pk]))
            for pk, name in newer.items()
        ),
        again_label=wording.again_label(len(ids) - 1),
        again=f"{reverse('requests:new', args=[slug])}?{urlencode({'again': ids}, doseq=True)}",
    )


def _filtering_ended(
    request: MitigationRequest, facts: wording.RequestFacts, now: datetime
) -> Ended:
    """A plan that is on can be activated immediately; its targets can be requested in any case."""
    slug = request.organization.slug
    plan = getattr(request, "plan", None)
    url = request.get_absolute_url()
    again, label = f"{reverse('requests:new', args=[slug])}?again={request.pk}", "Request now"
    if plan is not None and plan.removed_at is None:
        url = reverse("standby:plan", args=[slug, plan.pk])
        if plan.is_on:
            again, label = reverse("standby:activate", args=[slug, plan.pk]), "Activate…"
    return Ended(
        request=request,
        at=request.filtering_ended_at,
        url=url,
        facts=facts,
        chip=end_chip(facts, now),
        sentence=wording.end_sentence(facts, now),
        newer=(),
        again=again,
        again_label=label,
    )


def newer_of(request: MitigationRequest) -> dict[str, str]:
    """Ids and names of the requests that replaced it."""
    return {
        str(newer.request): newer.name
        for mitigation in request.mitigations.all()
        if mitigation.is_replaced and mitigation.replaced_by
        for newer in mitigation.replaced_by.by
    }


def end_value(request: MitigationRequest) -> str:
    """What a form posts to acknowledge the end that its page shows."""
    at = request.last_end_at
    return f"{request.pk} {at.isoformat()}" if at else ""


def seen_ends(typed: QueryDict) -> list[SeenEnd]:
    """The posted ends: of one row, or of all rows shown.

    Invalid text names no request.
    """
    one = typed.get("one")
    posted = [one] if one else typed.getlist("ends")[: services.MAX_ACKNOWLEDGED]
    return [_seen_end(text) for text in posted if text]


def _seen_end(text: str) -> SeenEnd:
    request_id, _, at = text.partition(" ")
    return SeenEnd(typed_id(request_id) or UUID(int=0), seen_at(at))


def seen_at(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
