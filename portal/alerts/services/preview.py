"""What confirming a proposal would send now, and sending it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portal.accounts.actors import Actor
from portal.alerts.models import AlertProposal, Incident
from portal.mitigations import queries, services
from portal.mitigations.approvals import digest_of, preview_of
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest
from portal.mitigations.models.columns import ApprovalPreview
from portal.mitigations.replacement import Proposal, would_replace
from portal.mitigations.services.consent_check import CheckContext
from portal.mitigations.validation import Checked, Submission
from portal.organizations.models import Organization

MAX_SOURCES_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Previewed:
    """What confirming a proposal would send now."""

    checked: Checked
    preview: ApprovalPreview

    @property
    def digest(self) -> str:
        return digest_of(self.preview)


def submission_of(proposal: AlertProposal) -> Submission:
    """The request that it proposes."""
    incident = proposal.incident
    return Submission(
        prefixes=tuple(map(str, proposal.targets.prefixes)),
        fqdns=proposal.targets.fqdns,
        uris=proposal.targets.uris,
        ports=incident.ports,
        protocols=incident.protocols,
        reason=reason_of(incident),
    )


def reason_of(incident: Incident) -> str:
    """Which detectors report what."""
    names = incident.alerts.order_by("endpoint__name").values_list("endpoint__name", flat=True)
    by = ", ".join(list(dict.fromkeys(names))[:MAX_SOURCES_NAMED]) or "A detector"
    return f"{by}: {incident.vector}" if incident.vector else f"{by}: attack"


def preview_proposal(proposal: AlertProposal) -> Previewed:
    """What a proposal to mitigate would send now. Invalid if it may not be sent."""
    organization = Organization.objects.get(pk=proposal.organization_id)
    checked = CheckContext.of(organization).check(submission_of(proposal))
    replaced = would_replace(Proposal.of(checked), queries.replaceable(organization.pk))
    return Previewed(checked, preview_of(checked, replaced))


def submit_proposal(proposal: AlertProposal, actor: Actor, consent: Consent) -> MitigationRequest:
    """Submit what it proposes. The caller decides afterwards that it is confirmed."""
    checked = preview_proposal(proposal).checked
    return services.submit(
        organization=Organization.objects.get(pk=proposal.organization_id),
        actor=actor,
        submission=submission_of(proposal),
        # With a name, it is submitted under the locks that this transaction holds.
        name=checked.name,
        consent=consent,
    )
