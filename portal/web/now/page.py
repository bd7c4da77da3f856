"""The Now page: whether anything is happening, and whether it needs the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.conf import settings

from portal import wording
from portal.alerts.queries import open_proposals
from portal.core.formatting import dialable
from portal.mitigations import queries
from portal.mitigations.states import REQUEST_TERMINAL
from portal.organizations.models import Membership, Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.readiness.gather import readiness_of
from portal.web.alerts.proposal_cards import ProposalCard, proposal_card
from portal.web.frame import Frame, frame
from portal.web.live_amounts import rate_amounts
from portal.web.now.cards import Card, Live, cards_of
from portal.web.now.readiness_summary import ReadinessSummary, readiness_summary
from portal.web.rendering import FramedPage
from portal.web.requests.ended import Ends, ends
from portal.web.requests.provider_cards import Chip
from portal.web.requests.shared import (
    PastRequest,
    past,
    pickable,
    replaceable_beside,
    subscriptions,
)
from portal.web.unknown.page import UnknownSection, found
from portal.wording.from_rows.mitigations import request_facts, session_of
from portal.wording.incidents import proposals_say

TILES: Final = 3
RECENT: Final = 5
PROPOSALS: Final = 3
"""Open proposals; the page Alerts has all."""
MAX_ORDER: Final = 200
"""Maximum cards on the screen whose order is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A provider on the Now page."""

    name: str
    phone: str
    chip: Chip
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """The page while nothing is live."""

    readiness: ReadinessSummary
    tiles: list[ProtectedResource]
    has_more_resources: bool
    has_resources: bool
    is_set_up: bool
    "there are a resource and a provider, which a request needs"
    recent: list[PastRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class NowPage(FramedPage):
    """Live requests, or the state of providers and plans while there are none."""

    template: ClassVar = "now/now.html"
    parts: ClassVar = {"now": "now/_now.html", "counts": "alerts/_counts.html"}

    say: wording.Say
    amounts: str
    "those in `say` that the script keeps current"
    connections: list[Connection]
    cards: list[Card]
    moved: int
    "cards that are not in their place, because the order on the screen was kept"
    ended: Ends
    proposals: Sequence[ProposalCard]
    "the oldest open ones"
    more_proposals: int
    can_act: bool
    unknown: UnknownSection
    calm: Calm | None


def now_page(membership: Membership, now: datetime, *, order: str = "") -> NowPage:
    """`order`: the ids of the requests on the screen, separated by commas."""
    start, organization = frame(membership, now), membership.organization
    by_id = subscriptions(organization)
    live = _live(organization, by_id, now)
    shown, moved = _keep_order(live, order)
    ended = ends(queries.ended_by_itself(organization), organization, by_id, now)
    unknown = found(start)
    enabled = [one for one in by_id.values() if one.enabled]
    say = _says(live, ended, enabled, now)
    calm = None if live else _calm(membership, by_id, say, now)
    title = "Now"
    if live or ended:
        name = live[0].request.name if live else ended.rows[0].request.name
        title = f"{say.badge.word or 'Now'} – {name}"
    if calm and not ended:
        waiting = proposals_say(start.proposals) if start.proposals else None
        say = waiting or unknown.say or calm.readiness.say
    return NowPage(
        frame=start,
        here="now",
        title=title,
        say=say,
        amounts=rate_amounts(live[0].facts.started, now) if live else "",
        connections=[_connection(one, now) for one in enabled],
        cards=cards_of(shown, now, worst=live[0] if live else None),
        moved=moved,
        ended=ended,
        proposals=_proposals(start),
        more_proposals=max(0, start.proposals - PROPOSALS),
        can_act=membership.can_operate,
        unknown=unknown,
        calm=calm,
    )


def _proposals(start: Frame) -> Sequence[ProposalCard]:
    if not start.proposals:
        return ()
    oldest = open_proposals(start.organization)[:PROPOSALS]
    return [proposal_card(start, one) for one in oldest]


def _live(
    organization: Organization, by_id: Mapping[str, Subscription], now: datetime
) -> list[Live]:
    """The worst first."""
    ongoing = list(queries.live_requests(organization))
    held = replaceable_beside(organization, ongoing)
    live = [
        Live(request=one, facts=request_facts(one, by_id, organization, live=held))
        for one in ongoing
    ]
    return sorted(live, key=lambda one: (wording.rank(one.facts, now), one.request.created_at))


def _keep_order(live: list[Live], order: str) -> tuple[list[Live], int]:
    """Rows keep their places on the screen, so that none moves under a finger; new ones
    come first.
    """
    if not order:
        return live, 0
    place = {text: index for index, text in enumerate(order.split(",")[:MAX_ORDER])}
    kept = sorted(live, key=lambda one: place.get(str(one.request.pk), -1))
    return kept, sum(one is not other for one, other in zip(live, kept, strict=True))


def _says(
    live: Sequence[Live], ended: Ends, enabled: Sequence[Subscription], now: datetime
) -> wording.Say:
    if live:
        return wording.attack_says([one.facts for one in live], now)
    calm = wording.calm_says(
        [(one.provider.short_name, session_of(one)) for one in enabled],
        emergency_phone=dialable(settings.PORTAL_EMERGENCY_PHONE),
    )
    if not ended:
        return calm
    return wording.ended_says([row.facts for row in ended.rows], calm, now, more=ended.more)


def _calm(
    membership: Membership, by_id: Mapping[str, Subscription], say: wording.Say, now: datetime
) -> Calm:
    organization = membership.organization
    verified = list(pickable(organization)[: TILES + 1])
    over = queries.requests(organization).filter(status__in=REQUEST_TERMINAL)
    return Calm(
        readiness=readiness_summary(readiness_of(membership, now), say, now),
        tiles=verified[:TILES],
        has_more_resources=len(verified) > TILES,
        has_resources=bool(verified),
        is_set_up=bool(verified) and any(one.enabled for one in by_id.values()),
        recent=[past(one, by_id, organization, now) for one in over[:RECENT]],
    )


def _connection(subscription: Subscription, now: datetime) -> Connection:
    session = session_of(subscription)
    return Connection(
        name=subscription.provider.name,
        phone=dialable(subscription.provider.phone),
        chip=Chip(badge=wording.session_badge(session, now), status=session.state),
        sentence=wording.session_sentence(session, now, provider=subscription.provider.short_name),
    )
