"""What the portal does with a proposal automatically: the policy of the endpoint says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.alerts.alert import MAX_TEXT_LENGTH
from portal.alerts.endpoint_policy import Automatic, AutomaticMode, why_not
from portal.alerts.models import (
    AlertEndpoint,
    AlertProposal,
    Incident,
    ProposalState,
    ProposedAct,
    ReceivedAlert,
)
from portal.alerts.services.incident_rows import IncidentRows
from portal.alerts.services.preview import submit_proposal
from portal.alerts.services.propose import proposal_event, propose_termination, tell
from portal.core.errors import PortalError
from portal.core.targets import Targets
from portal.events.models import EventType
from portal.mitigations import services
from portal.mitigations.consent import NO_CONSENT
from portal.mitigations.models import MitigationRequest

_DONE: Final = (Automatic.SENT, Automatic.WOULD)
_COUNTED_FOR: Final = timedelta(hours=1)


class PolicyActs:
    """What the policies of endpoints do with the proposals of several alerts."""

    def __init__(self, rows: IncidentRows, save: Callable[[], None]) -> None:
        """`save` saves what the alerts changed until now."""
        self._rows = rows
        self._save = save
        self._done_at: dict[UUID, list[datetime]] = {}
        "by endpoint: when each proposal was made that its policy sent, or would have sent"
        self._refused: dict[UUID, Targets] = {}
        "proposals whose submission was refused, with the targets they had"

    def act(self, proposal: AlertProposal, alert: ReceivedAlert, now: datetime) -> None:
        """Send what is proposed, say that it would be sent, or say why a person has to decide.

        The caller holds the lock on the organization's incidents. Approvals of the policy hold, and
        nothing that is live is ever replaced.
        """
        endpoint = alert.endpoint
        policy = endpoint.policy
        if policy.mode is AutomaticMode.OFF or proposal.automatic in _DONE:
            return
        done_at = self._lately(endpoint, now)
        reason = why_not(
            policy, targets=proposal.targets, severity=alert.severity, now=now,
            lately=sum(one > now - _COUNTED_FOR for one in done_at),
        )  # fmt: skip
        proposal.endpoint = endpoint
        self._rows.change_proposal(proposal)
        if reason is not None:
            proposal.automatic = reason
        elif policy.mode is AutomaticMode.WATCH:
            proposal.automatic = Automatic.WOULD
        elif self._refused.get(proposal.pk) == proposal.targets:
            proposal.automatic = Automatic.REFUSED
        else:
            self._send(proposal, endpoint, now)
        if proposal.automatic in _DONE:
            done_at.append(proposal.made_at)

    def _lately(self, endpoint: AlertEndpoint, now: datetime) -> list[datetime]:
        if endpoint.pk not in self._done_at:
            own = AlertProposal.objects.filter(endpoint=endpoint, act=ProposedAct.MITIGATE)
            done = own.filter(automatic__in=_DONE, made_at__gt=now - _COUNTED_FOR)
            self._done_at[endpoint.pk] = list(done.values_list("made_at", flat=True))
        return self._done_at[endpoint.pk]

    def _send(self, proposal: AlertProposal, endpoint: AlertEndpoint, now: datetime) -> None:
        actor = _actor(endpoint)
        self._save()
        try:
            # A refused submission leaves the alert and its proposal.
            with transaction.atomic():
                request = submit_proposal(proposal, actor, NO_CONSENT)
        except PortalError as error:
            first = error.errors[0].message if error.errors else error.message
            proposal.automatic, proposal.refusal = Automatic.REFUSED, first[:MAX_TEXT_LENGTH]
            self._rows.change_proposal(proposal)
            self._refused[proposal.pk] = proposal.targets
            return
        proposal.automatic, proposal.refusal = Automatic.SENT, ""
        proposal.state, proposal.decided_at = ProposalState.CONFIRMED, now
        proposal.request = proposal.incident.request = request
        self._rows.change_proposal(proposal)
        self._rows.change(proposal.incident)
        self._rows.add_live(request)
        self._rows.tell(**proposal_event(proposal, EventType.PROPOSAL_CONFIRMED, now, actor=actor))


def terminate_by_policy(incident: Incident, request: MitigationRequest) -> AlertEndpoint | None:
    """After the end: terminate what the portal requested automatically, if the policy still says
    so. Returns the endpoint with that policy; None: a person has to decide.

    It locks the request, so the transaction must not have appended an event yet.
    """
    sent = incident.proposals.filter(request=request, automatic=Automatic.SENT)
    made_by = sent.select_related("endpoint").first()
    endpoint = made_by.endpoint if made_by else None
    if endpoint is None or not endpoint.policy.terminates:
        return None
    if endpoint.policy.mode is not AutomaticMode.ON:
        return None
    services.terminate(request_id=request.pk, actor=Actor.portal())
    return endpoint


def record_termination(
    incident: Incident, request: MitigationRequest, endpoint: AlertEndpoint, now: datetime
) -> None:
    proposal = propose_termination(incident, request, now)
    proposal.state, proposal.decided_at = ProposalState.CONFIRMED, now
    proposal.endpoint, proposal.automatic = endpoint, Automatic.SENT
    proposal.save()
    tell(proposal, EventType.PROPOSAL_CONFIRMED, now, actor=_actor(endpoint))


def _actor(endpoint: AlertEndpoint) -> Actor:
    return Actor.alert_source(endpoint.pk, endpoint.name)
