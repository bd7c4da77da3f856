"""A person decides about a proposal: what it would send, to confirm it, or to dismiss it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.alerts.alert import MAX_TEXT_LENGTH
from portal.alerts.models import AlertProposal, Incident, ProposalState, ProposedAct
from portal.alerts.services.incident_lock import lock_incidents
from portal.alerts.services.preview import preview_proposal, submit_proposal
from portal.alerts.services.propose import tell
from portal.core.errors import Conflict, Invalid, NotFound
from portal.events.models import EventType
from portal.mitigations import services
from portal.mitigations.approvals import digest_of
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest
from portal.mitigations.models.columns import ApprovalPreview
from portal.organizations.access import require_current_role

MAX_SOURCES_NAMED: Final = 3


class ProposalOver(Conflict):
    """Someone decided about it before, or it is not needed any more."""

    code = "proposal-over"
    title = "This proposal is over"


class ProposalChanged(Conflict):
    """Confirming would send something else than the person saw. Nothing was sent."""

    code = "preview-changed"
    title = "The proposal would now send something else"

    def __init__(self, after: ApprovalPreview) -> None:
        super().__init__(
            "Nothing was sent. The proposal would now send something else than you saw. "
            "Look at it again, then decide."
        )
        self.after = after

    @property
    def members(self) -> Mapping[str, object]:
        return {"preview": digest_of(self.after), "after": list(self.after.lines)}


@transaction.atomic
def confirm(*, proposal: AlertProposal, actor: Actor, seen: str = "") -> MitigationRequest:
    """Submit the request, or terminate it. The second of two people gets the same request.

    `seen`: the digest of the preview that the person saw, of a proposal to mitigate. Raises
    ProposalChanged if it would send something else, ProposalOver, and what `submit` raises.
    """
    found = _locked(proposal)
    if found.act == ProposedAct.MITIGATE:
        require_current_role(found.organization_id, actor)
    if found.state == ProposalState.CONFIRMED and found.request is not None:
        return found.request
    _require_open(found)
    if found.act == ProposedAct.MITIGATE:
        previewed = preview_proposal(found)
        if seen != previewed.digest:
            raise ProposalChanged(previewed.preview)
        request = submit_proposal(found, actor, Consent(named=previewed.preview.replaces))
        found.request = request
        Incident.objects.filter(pk=found.incident_id).update(request=request)
    elif found.request is None:
        raise ProposalOver("Its request is gone.")
    else:
        # It checks the role, after it has locked the request.
        request = services.terminate(request_id=found.request.pk, actor=actor)
    _decide(found, ProposalState.CONFIRMED, actor)
    return request


@transaction.atomic
def dismiss(*, proposal: AlertProposal, actor: Actor, reason: str) -> AlertProposal:
    """Nothing is sent, and the incident makes no other proposal for the same targets."""
    found = _locked(proposal)
    require_current_role(found.organization_id, actor)
    text = " ".join(reason.split())
    if not text or len(text) > MAX_TEXT_LENGTH or not text.isprintable():
        message = f"Say why, in at most {MAX_TEXT_LENGTH} printable characters."
        raise Invalid.at("reason", "bad-reason", message)
    _require_open(found)
    found.reason = text
    _decide(found, ProposalState.DISMISSED, actor)
    return found


def _locked(proposal: AlertProposal) -> AlertProposal:
    """As it is now."""
    lock_incidents(proposal.organization_id)
    own = AlertProposal.objects.select_related("incident", "decided_by", "request__organization")
    found = own.filter(pk=proposal.pk).first()
    if found is None:
        raise NotFound
    return found


def _require_open(proposal: AlertProposal) -> None:
    if proposal.state != ProposalState.OPEN:
        raise ProposalOver("Someone else decided about this proposal, or it is over.")


def _decide(proposal: AlertProposal, state: ProposalState, actor: Actor) -> None:
    now = timezone.now()
    proposal.state, proposal.decided_at, proposal.decided_by = state, now, actor.user
    proposal.save(update_fields=["state", "decided_at", "decided_by", "reason", "request"])
    kind = {
        ProposalState.CONFIRMED: EventType.PROPOSAL_CONFIRMED,
        ProposalState.DISMISSED: EventType.PROPOSAL_DISMISSED,
    }[state]
    tell(proposal, kind, now, actor=actor)
