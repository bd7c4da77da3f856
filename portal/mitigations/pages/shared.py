"""What several pages know: the frame, the providers, lists of requests, what is read aloud."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import F, QuerySet

from portal.core.formatting import amount, listed
from portal.core.numbers import whole_number
from portal.mitigations import presentation, queries, wording
from portal.mitigations.models import Event, EventType, Mitigation, MitigationRequest, Strategy
from portal.mitigations.presentation import Chip, Frame
from portal.mitigations.unknown import Unknown
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.organizations.queries import memberships, resources
from portal.providers.models import Subscription

MAX_HEARD: Final = 50


def frame(membership: Membership, now: datetime) -> Frame:
    """Made before anything else of a page is read: what happens meanwhile has a later number, and comes through the socket."""
    return Frame(
        membership=membership,
        others=tuple(one for one in memberships(membership.user) if one.pk != membership.pk),
        seq=queries.last_seq(membership.organization),
        now=now,
    )


def subscriptions(organization: Organization) -> dict[str, Subscription]:
    return {str(one.pk): one for one in queries.subscriptions(organization)}


def held_beside(
    organization: Organization, requests: Iterable[MitigationRequest]
) -> list[Mitigation | Unknown]:
    """What providers hold, to tell whom the order of a request passes by; not read where every request has asked all it names."""
    has_some_left = any(
        one.strategy == Strategy.FAILOVER
        and not (one.is_over or one.terminate_asked_at)
        and len(one.subscriptions)
        > len({mitigation.subscription_id for mitigation in one.mitigations.all()})
        for one in requests
    )
    return queries.replaceable(organization.pk) if has_some_left else []


def operators(organization: Organization) -> list[str]:
    """Who may ask and end."""
    able = Membership.objects.filter(
        organization=organization, role__in=[Role.OPERATOR, Role.ADMIN], user__is_active=True
    )
    return list(able.order_by("user__username").values_list("user__username", flat=True)[:5])


def pickable(organization: Organization) -> QuerySet[ProtectedResource]:
    """Verified resources, last used first."""
    return (
        resources(organization)
        .filter(verified_at__isnull=False)
        .order_by(F("last_used_at").desc(nulls_last=True), "name", "pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A request in a list of what was."""

    request: MitigationRequest
    chip: Chip
    providers: str
    dropped: str


def past(
    request: MitigationRequest,
    by_id: Mapping[str, Subscription],
    organization: Organization,
    now: datetime,
) -> Past:
    asked = presentation.asked_of(request, by_id, organization)
    totals = [leg.bytes_dropped for leg in asked.asked if leg.bytes_dropped is not None]
    return Past(
        request=request,
        chip=presentation.end_chip(asked, now)
        if request.is_to_acknowledge
        else presentation.request_chip(asked, now),
        providers=listed([leg.short for leg in asked.asked]),
        dropped=amount(sum(totals)) if totals else "",
    )


def announcements(organization: Organization, after: str) -> list[tuple[int, wording.Announcement]]:
    """What is read aloud of the events after a number; nothing when there are too many to read."""
    seq = whole_number(after, at_most=queries.MAX_SEQ)
    if seq is None:
        return []
    events = (
        Event.objects.filter(organization=organization, seq__gt=seq)
        .exclude(type=EventType.MITIGATION_COUNTERS)
        .select_related("mitigation__subscription__provider", "request", "actor")
        .order_by("-seq")[:MAX_HEARD]
    )
    by_id = subscriptions(organization)
    heard = []
    for event in reversed(events):
        name = event.request.name if event.request else ""
        about = by_id.get(str(event.data.get("subscription")))
        provider = about.provider.short_name if about else ""
        said = wording.announcement(presentation.told_of(event, name, provider=provider))
        if said:
            heard.append((event.seq, said))
    return heard
