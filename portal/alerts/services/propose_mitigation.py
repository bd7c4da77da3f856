"""Propose mitigation for the targets of an incident that nothing protects."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from portal.alerts.models import AlertProposal, Incident, ProposalState, ProposedAct
from portal.alerts.services.incident_rows import IncidentRows
from portal.alerts.services.propose import proposal_event
from portal.core.targets import Targets, Territory
from portal.events.models import EventType

EXPIRES_AFTER: Final = timedelta(minutes=30)
"""How long a proposal to mitigate waits for a person."""


def propose(rows: IncidentRows, incident: Incident, now: datetime) -> AlertProposal | None:
    """Propose mitigation for targets that no live request protects, once each. Returns the proposal
    that is open.
    """
    live, proposals = rows.protecting(incident), rows.proposals(incident)
    if live and incident.request_id != live[0].pk:
        incident.request = live[0]
        rows.change(incident)
    known = [one.targets for one in proposals if one.state != ProposalState.NOT_NEEDED]
    known += [one.scope for one in live]
    handled = Territory.of(target for each in known for target in each)
    wanted = Targets.of(one for one in incident.targets if not handled.has(one))
    current = next((one for one in proposals if one.state == ProposalState.OPEN), None)
    if current is not None and wanted:
        current.targets = Targets.union([current.targets, wanted])
        rows.change_proposal(current)
    if current is not None or not wanted:
        return current
    made = AlertProposal(
        organization_id=incident.organization_id,
        incident=incident,
        act=ProposedAct.MITIGATE,
        targets=wanted,
        made_at=now,
        expires_at=now + EXPIRES_AFTER,
    )
    proposals.append(made)
    rows.change_proposal(made)
    rows.tell(**proposal_event(made, EventType.PROPOSAL_MADE, now))
    return made
