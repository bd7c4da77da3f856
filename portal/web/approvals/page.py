"""The list of requests that wait, and the page on which a person decides about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from portal import wording
from portal.accounts.wording import who
from portal.core.errors import Invalid
from portal.core.formatting import plural
from portal.mitigations import queries, services
from portal.mitigations.approvals import digest_of
from portal.mitigations.models import MitigationRequest, RequestApproval
from portal.mitigations.models.approval import MAX_APPROVAL_REASON_LENGTH
from portal.mitigations.models.columns import ApprovalPreview
from portal.organizations.models import Approval, Membership, Organization, Role
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import RequestDescription, describe_request, scope_line
from portal.web.requests.line_diff import ChangedLine, line_diff
from portal.web.requests.provider_cards import Chip, request_chip
from portal.web.requests.shared import facts_of
from portal.wording.approvals import rule_sentence
from portal.wording.from_rows.mitigations import approval_facts

MAX_SHOWN: Final = 50
"""Requests on the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One request on the list."""

    request: MitigationRequest
    targets: str
    by: str
    asked_at: datetime
    expires_at: datetime
    lines: Sequence[str]
    "what it would send"
    can_decide: bool
    "the person who looks may approve or decline it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsPage(FramedPage):
    """Oldest first."""

    template: ClassVar = "approvals/approvals.html"

    headline: str
    lead: str
    waiting: Sequence[Waiting]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPage(FramedPage):
    """What would be sent, and the decisions that this person may take."""

    template: ClassVar = "approvals/approval.html"

    request_: MitigationRequest
    chip: Chip
    say: wording.Say
    rule: str
    facts: RequestDescription
    lines: Sequence[str]
    "what it would send now, or would have sent"
    before: Sequence[ChangedLine]
    "what the submission said; empty if that is the same"
    after: Sequence[ChangedLine]
    preview: str
    "the digest of what this page shows"
    problems: Sequence[str]
    "why it may not be sent any more"
    is_open: bool
    can_decide: bool
    why_not: str
    "why this person may not decide"
    can_act: bool
    reason: str
    error: str
    open_form: str
    "the form with the error: decline or break-glass; empty: none"
    max_reason: int


def approvals_page(start: Frame) -> ApprovalsPage:
    organization = start.organization
    rows = queries.waiting_approvals(organization)
    count = rows.count()
    return ApprovalsPage(
        frame=start,
        here="approvals",
        title="Approvals",
        headline=f"{plural(count, 'request')} {'waits' if count == 1 else 'wait'} for approval."
        if count
        else "Nothing waits for approval.",
        lead=_unsent(count) if count else _rule_of(organization),
        waiting=[_waiting(one, start.membership) for one in rows[:MAX_SHOWN]],
        more=max(0, count - MAX_SHOWN),
    )


def _unsent(count: int) -> str:
    return "It has not been sent." if count == 1 else "None of them has been sent."


def _rule_of(organization: Organization) -> str:
    match Approval(organization.approval):
        case Approval.NEVER:
            return "Under the policy, requests are sent at once, without a second person."
        case Approval.LARGER:
            return "Requests for large prefixes appear here until a second person decides."
        case Approval.AUTOMATIC:
            return "Requests of programs appear here until a person decides."
        case Approval.ALL:
            return "Requests appear here until a second person decides."


def _waiting(approval: RequestApproval, membership: Membership) -> Waiting:
    request = approval.request
    return Waiting(
        request=request,
        targets=scope_line(request),
        by=who(request.requester),
        asked_at=approval.asked_at,
        expires_at=approval.expires_at,
        lines=approval.preview.lines,
        can_decide=membership.allows(Role.APPROVER) and not _is_own(request, membership),
    )


def _is_own(request: MitigationRequest, membership: Membership) -> bool:
    return request.created_by_id == membership.user_id


def approval_page(
    start: Frame,
    request: MitigationRequest,
    approval: RequestApproval,
    *,
    reason: str = "",
    error: str = "",
    open_form: str = "",
) -> ApprovalPage:
    """`request` needs or needed an approval. `error`: of the form `open_form`."""
    now, membership = start.now, start.membership
    facts = facts_of(start.organization, request)
    preview = approval.preview
    problems: list[str] = []
    is_open = approval.is_open(now)
    if is_open:
        preview, problems = _now(request)
    is_same = digest_of(preview) == approval.digest
    before, after = line_diff("\n".join(approval.preview.lines), "\n".join(preview.lines))
    approves = membership.allows(Role.APPROVER)
    is_own = _is_own(request, membership)
    about = approval_facts(request, start.organization)
    return ApprovalPage(
        frame=start,
        here="approvals",
        title=f"Approval – {request.name}",
        request_=request,
        chip=request_chip(facts, now),
        say=wording.request_says(facts, now),
        rule=rule_sentence(about) if about else "",
        facts=describe_request(request, facts, now),
        lines=preview.lines,
        before=[] if is_same else before,
        after=[] if is_same else after,
        preview=digest_of(preview),
        problems=problems,
        is_open=is_open,
        can_decide=approves and not is_own and not problems,
        why_not=_why_not(approves=approves, is_own=is_own),
        can_act=membership.can_operate,
        reason=reason,
        error=error,
        open_form=open_form,
        max_reason=MAX_APPROVAL_REASON_LENGTH,
    )


def _now(request: MitigationRequest) -> tuple[ApprovalPreview, list[str]]:
    """What it would send now, and why it may not be sent any more."""
    try:
        _, preview = services.current_preview(request)
    except Invalid as error:
        return request.approval.preview, [one.message for one in error.errors]
    return preview, []


def _why_not(*, approves: bool, is_own: bool) -> str:
    if is_own:
        return "Another person must approve what you requested."
    return "" if approves else "Only an approver or an admin decides."
