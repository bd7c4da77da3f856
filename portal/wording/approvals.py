"""Sentences about approvals: why a request waits, who got a mail, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.core.formatting import listed, when
from portal.mitigations.approvals import ApprovalNeed
from portal.mitigations.models import ApprovalOutcome
from portal.organizations.models import Approval, Organization


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFacts:
    """The approval that a request needs, or needed."""

    organization: str
    cause: str
    larger_than: int | None
    told: tuple[str, ...]
    asked_at: datetime
    expires_at: datetime
    outcome: str
    decided_at: datetime | None
    by: str
    "who decided; empty: no one, or the portal"
    reason: str


def rule_sentence(approval: ApprovalFacts) -> str:
    """Which rule of the policy it falls under."""
    return _rule(approval.organization, approval.cause, approval.larger_than)


def _rule(organization: str, cause: str, larger_than: int | None) -> str:
    what = {
        Approval.LARGER: f"prefixes larger than a /{larger_than}",
        Approval.AUTOMATIC: "requests of programs",
    }.get(Approval(cause), "every request")
    return f"{organization}’s policy asks a second person for {what}."


def before_sending(organization: Organization, need: ApprovalNeed | None) -> str:
    """What the form of a request says about approval, before it is sent."""
    if need is not None:
        return _rule(organization.name, need.cause, need.larger_than)
    if organization.approval == Approval.LARGER:
        v4, v6 = organization.approval_prefix_v4, organization.approval_prefix_v6
        return f"A prefix larger than a /{v4} (IPv6: a /{v6}) needs approval."
    return "No approval needed."


def told_sentence(approval: ApprovalFacts, now: datetime) -> str:
    if not approval.told:
        return "No one was told by mail. Call someone who may approve."
    verb = "was" if len(approval.told) == 1 else "were"
    return f"{listed(approval.told)} {verb} told by mail {when(approval.asked_at, now)}."


def waiting_summary(approval: ApprovalFacts, now: datetime) -> list[str]:
    """The text under the headline of a request that waits."""
    ends = when(approval.expires_at, now, seconds=False, zone=True)
    return [
        rule_sentence(approval),
        told_sentence(approval, now),
        f"If no one approves it, it expires {ends}, unsent.",
    ]


def outcome_sentence(approval: ApprovalFacts, now: datetime) -> str:
    """What the page and the report of a request keep for ever; empty while it waits."""
    at = when(approval.decided_at, now, seconds=False, zone=True)
    match approval.outcome:
        case ApprovalOutcome.APPROVED:
            return f"{approval.by} approved it {at}."
        case ApprovalOutcome.BREAK_GLASS:
            return f"Sent without approval by {approval.by} {at}: {approval.reason}"
        case ApprovalOutcome.DECLINED:
            return f"{approval.by} declined it {at}: {approval.reason}"
        case ApprovalOutcome.EXPIRED:
            return "No one approved it in time."
        case ApprovalOutcome.CANCELED:
            return f"{approval.by or 'The portal'} canceled it {at}."
        case _:
            return "Waiting."
