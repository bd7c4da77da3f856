"""Follow incidents and proposals as time passes: hold-downs, silence, and what is not needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from portal.alerts.models import AlertProposal, Incident, IncidentState, ProposalState, ProposedAct
from portal.alerts.services.act_by_policy import record_termination, terminate_by_policy
from portal.alerts.services.gather import tell_incident
from portal.alerts.services.incident_lock import lock_incidents
from portal.alerts.services.propose import (
    end_proposal,
    live_requests,
    propose_termination,
    protecting,
)
from portal.core.sweeping import count_done
from portal.core.targets import Targets, Territory
from portal.events.models import EventType
from portal.mitigations.models import MitigationRequest

QUIET_AFTER: Final = timedelta(hours=1)
"""After this silence an incident is over without an end: nothing is terminated because of it."""
MAX_PER_RUN: Final = 500
"""Incidents, and proposals, in one run."""


def follow(now: datetime) -> int:
    """Returns how many incidents and proposals changed."""
    incidents = Incident.objects.filter(_due(now)).order_by("began_at")[:MAX_PER_RUN]
    done = count_done(lambda one: _close(one, now), list(incidents))
    proposals = _proposals().filter(state=ProposalState.OPEN).order_by("made_at")[:MAX_PER_RUN]
    return done + count_done(lambda one: _end(one, now), list(_over(proposals, now)))


def _due(now: datetime) -> Q:
    return Q(state=IncidentState.ENDING, closes_at__lte=now) | Q(
        state=IncidentState.ONGOING, last_at__lt=now - QUIET_AFTER
    )


@transaction.atomic
def _close(due: Incident, now: datetime) -> bool:
    lock_incidents(due.organization_id)
    own = Incident.objects.select_related("request")
    incident = own.filter(_due(now), pk=due.pk).first()
    if incident is None:
        return False
    is_ended = incident.state == IncidentState.ENDING
    request = incident.request if is_ended else None
    if request is not None and not _is_live(request):
        request = None
    # First, because it locks the request.
    by = terminate_by_policy(incident, request) if request else None
    incident.state = IncidentState.ENDED if is_ended else IncidentState.QUIET
    incident.closes_at = None
    incident.save(update_fields=["state", "closes_at"])
    tell_incident(incident, EventType.INCIDENT_CHANGED, now)
    if request is not None and by is not None:
        record_termination(incident, request, by, now)
    elif request is not None:
        propose_termination(incident, request, now)
    return True


def _over(proposals: Iterable[AlertProposal], now: datetime) -> Iterator[AlertProposal]:
    """Those that seem to end now. Reads the live requests of each organization once."""
    by_organization: dict[UUID, list[AlertProposal]] = defaultdict(list)
    for proposal in proposals:
        by_organization[proposal.organization_id].append(proposal)
    for organization_id, own in by_organization.items():
        covered = _covered(organization_id, own)
        yield from (one for one in own if _fate(one, covered, now) is not None)


def _covered(organization_id: UUID, proposals: Iterable[AlertProposal]) -> Territory:
    """What live requests protect, as far as it concerns these proposals."""
    asked = [one for one in proposals if one.act == ProposedAct.MITIGATE]
    named = Targets.of(target for one in asked for target in one.targets)
    live = live_requests(organization_id, named) if named else ()
    return Territory.of(target for one in live for target in one.scope)


@transaction.atomic
def _end(seen: AlertProposal, now: datetime) -> bool:
    lock_incidents(seen.organization_id)
    proposal = _proposals().filter(pk=seen.pk, state=ProposalState.OPEN).first()
    if proposal is None:
        return False
    fate = _fate(proposal, _covered(proposal.organization_id, [proposal]), now)
    if fate is None:
        return False
    if proposal.act == ProposedAct.MITIGATE and fate == ProposalState.NOT_NEEDED:
        live = protecting(proposal.incident)
        proposal.request = live[0] if live else None
        Incident.objects.filter(pk=proposal.incident_id).update(request=proposal.request)
    end_proposal(proposal, fate, now)
    return True


def _proposals() -> QuerySet[AlertProposal]:
    return AlertProposal.objects.select_related("incident", "request")


def _fate(proposal: AlertProposal, covered: Territory, now: datetime) -> ProposalState | None:
    """How it ends now; None: it stays open. `covered`: what live requests protect."""
    if proposal.act == ProposedAct.TERMINATE:
        is_live = proposal.request is not None and _is_live(proposal.request)
        return None if is_live else ProposalState.NOT_NEEDED
    if proposal.incident.state == IncidentState.ENDED:
        return ProposalState.NOT_NEEDED
    if all(map(covered.has, proposal.targets)):
        return ProposalState.NOT_NEEDED
    if proposal.expires_at is not None and proposal.expires_at <= now:
        return ProposalState.EXPIRED
    return None


def _is_live(request: MitigationRequest) -> bool:
    return not request.is_over and request.terminate_asked_at is None
