"""The page Alerts: proposals first, then ongoing incidents, then the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from django.urls import reverse

from portal.alerts import queries
from portal.alerts.alert import MAX_TEXT_LENGTH
from portal.alerts.models import (
    OPEN_STATES,
    AlertProposal,
    Incident,
    IncidentState,
    ProposalState,
)
from portal.alerts.services.preview import reason_of
from portal.organizations.acting import name_at
from portal.organizations.models import Role
from portal.web.alerts.proposal_cards import ProposalCard, proposal_card
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.wording import incidents as wording
from portal.wording.facts import Badge

MAX_PROPOSALS_SHOWN: Final = 50
MAX_INCIDENTS_SHOWN: Final = 50
MAX_HISTORY_SHOWN: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """One incident."""

    title: str
    badge: Badge
    says: str
    why: str
    amounts: str
    began_at: datetime
    request: str
    request_name: str
    outcomes: Sequence[str]
    "what became of its proposals"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsPage(FramedPage):
    """What detectors report and propose."""

    template: ClassVar = "alerts/alerts.html"
    parts: ClassVar = {
        "alerts": "alerts/_alerts.html",
        "counts": "alerts/_counts.html",
    }

    headline: str
    lead: str
    proposals: Sequence[ProposalCard]
    ongoing: Sequence[IncidentRow]
    past: Sequence[IncidentRow]
    can_act: bool
    max_reason: int
    rejected: int
    "payloads that could not be read; 0 for those who may not read them"
    settings: str
    "where endpoints are added; empty if this person may not"


def alerts_page(
    start: Frame, *, proposal: AlertProposal | None = None, error: str = "", reason: str = ""
) -> AlertsPage:
    """`error`: why `proposal` could not be dismissed with this `reason`."""
    organization = start.organization
    waiting = list(queries.open_proposals(organization)[:MAX_PROPOSALS_SHOWN])
    cards = [proposal_card(start, one) for one in waiting]
    if proposal is not None:
        cards = [
            replace(one, error=error, reason=reason) if one.id == str(proposal.pk) else one
            for one in cards
        ]
    incidents = queries.incidents(organization).prefetch_related(
        "proposals__decided_by", "proposals__endpoint"
    )
    ongoing = incidents.filter(state__in=OPEN_STATES).order_by("-began_at", "-pk")
    past = incidents.exclude(state__in=OPEN_STATES).order_by("-began_at", "-pk")
    return AlertsPage(
        frame=start,
        here="alerts",
        title="Alerts",
        headline=wording.proposals_headline(len(waiting)),
        lead=_lead(start, ongoing.count()),
        proposals=cards,
        ongoing=[_row(start, one) for one in ongoing[:MAX_INCIDENTS_SHOWN]],
        past=[_row(start, one) for one in past[:MAX_HISTORY_SHOWN]],
        can_act=start.membership.can_operate,
        rejected=queries.rejected(organization).count() if start.membership.can_operate else 0,
        max_reason=MAX_TEXT_LENGTH,
        settings=reverse("alerts:endpoints", args=[organization.slug])
        if start.membership.allows(Role.ADMIN)
        else "",
    )


def _lead(start: Frame, ongoing: int) -> str:
    if ongoing:
        return "Detectors report an attack." if ongoing == 1 else f"{ongoing} attacks are reported."
    if not queries.endpoints(start.organization).exists():
        return "No detector is connected."
    return "Detectors report no attack on your resources."


def _row(start: Frame, incident: Incident) -> IncidentRow:
    request = incident.request
    return IncidentRow(
        title=", ".join(incident.targets.texts[:3]),
        badge=wording.INCIDENT_BADGES[IncidentState(incident.state)],
        says=wording.says_incident(incident, start.now),
        why=reason_of(incident),
        amounts=wording.amounts(incident),
        began_at=incident.began_at,
        request=reverse("requests:request", args=[start.organization.slug, request.pk])
        if request
        else "",
        request_name=request.name if request else "",
        outcomes=[
            wording.outcome(one, name_at(one.decided_by, one.organization_id, one.decided_at))
            for one in incident.proposals.all()
            if one.state != ProposalState.OPEN
        ],
    )
