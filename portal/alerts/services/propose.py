"""Proposals of one incident: to terminate, their end, and what protects its targets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from portal.accounts.actors import Actor
from portal.alerts.models import AlertProposal, Incident, ProposalState, ProposedAct
from portal.core.target_overlap import with_overlap
from portal.core.targets import Targets, Territory
from portal.events.log import NewEvent, append_event
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.states import REQUEST_TERMINAL


def propose_termination(
    incident: Incident, request: MitigationRequest, now: datetime
) -> AlertProposal:
    proposal = AlertProposal.objects.create(
        organization_id=incident.organization_id,
        incident=incident,
        act=ProposedAct.TERMINATE,
        targets=incident.targets,
        made_at=now,
        request=request,
    )
    tell(proposal, EventType.PROPOSAL_MADE, now)
    return proposal


def live_requests(organization_id: UUID, targets: Targets) -> QuerySet[MitigationRequest]:
    """At least those for some of `targets`, oldest first. One that waits for approval counts."""
    live = MitigationRequest.objects.filter(
        organization=organization_id,
        kind=RequestKind.IMMEDIATE,
        terminate_asked_at__isnull=True,
    ).exclude(status__in=REQUEST_TERMINAL)
    if not (targets.fqdns or targets.uris):
        # A name is protected by others than itself: Python compares it with all requests.
        live = with_overlap(live, "scope", targets)
    return live.order_by("created_at", "pk")


def protecting(incident: Incident) -> list[MitigationRequest]:
    """Live requests for some of its targets, oldest first."""
    return [
        one
        for one in live_requests(incident.organization_id, incident.targets)
        if any(map(Territory.of(one.scope).has, incident.targets))
    ]


def end_proposal(proposal: AlertProposal, state: ProposalState, now: datetime) -> None:
    """End it without a decision."""
    proposal.state, proposal.decided_at = state, now
    proposal.save(update_fields=["state", "decided_at", "request"])
    tell(proposal, EventType.PROPOSAL_ENDED, now)


def tell(
    proposal: AlertProposal, type: EventType, now: datetime, *, actor: Actor | None = None
) -> None:
    append_event(**proposal_event(proposal, type, now, actor=actor))


def proposal_event(
    proposal: AlertProposal, type: EventType, now: datetime, *, actor: Actor | None = None
) -> NewEvent:
    return NewEvent(
        organization_id=proposal.organization_id,
        type=type,
        at=now,
        actor=actor,
        data={
            "proposal": str(proposal.pk),
            "incident": str(proposal.incident_id),
            "kind": proposal.act,
            "status": proposal.state,
            "name": ", ".join(proposal.targets.texts[:3]),
            **({"request": str(proposal.request_id)} if proposal.request_id else {}),
            **({"reason": proposal.reason} if proposal.reason else {}),
        },
    )
