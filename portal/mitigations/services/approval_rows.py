"""The row of an approval: how it begins and how it ends. The request is locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from portal.accounts.models import User
from portal.mail.services import can_send
from portal.mitigations.approvals import ApprovalNeed, digest_of
from portal.mitigations.models import ApprovalOutcome, MitigationRequest, RequestApproval
from portal.mitigations.models.columns import ApprovalPreview
from portal.organizations.models import Membership, Role

MAX_TOLD: Final = 50
"""Names that are saved with an approval."""


class ApprovalTrigger(StrEnum):
    """What ends the wait. The values explain the diagram in docs/state-machines.md."""

    APPROVED = "An approver or an admin, who did not ask for it, approved what would be sent."
    DECLINED = "An approver or an admin, who did not ask for it, declined it with a reason."
    TIME_OVER = "No one decided in time."
    TERMINATED = "The request was terminated first."
    SENT_ANYWAY = "An operator sent it without approval, with a reason."


TRANSITIONS: Final[Mapping[tuple[ApprovalOutcome, ApprovalTrigger], ApprovalOutcome]] = {
    (ApprovalOutcome.WAITING, ApprovalTrigger.APPROVED): ApprovalOutcome.APPROVED,
    (ApprovalOutcome.WAITING, ApprovalTrigger.DECLINED): ApprovalOutcome.DECLINED,
    (ApprovalOutcome.WAITING, ApprovalTrigger.TIME_OVER): ApprovalOutcome.EXPIRED,
    (ApprovalOutcome.WAITING, ApprovalTrigger.TERMINATED): ApprovalOutcome.CANCELED,
    (ApprovalOutcome.WAITING, ApprovalTrigger.SENT_ANYWAY): ApprovalOutcome.BREAK_GLASS,
}
"""Everything else cannot happen: a decision is final."""


def begin_approval(
    request: MitigationRequest,
    need: ApprovalNeed,
    preview: ApprovalPreview,
    *,
    beside: Sequence[UUID] = (),
) -> None:
    """Save that a new request waits. `beside`: the requests of the plan that it activates."""
    wait = timedelta(seconds=request.organization.approval_wait_s)
    RequestApproval.objects.create(
        request=request,
        organization=request.organization,
        cause=need.cause,
        larger_than=need.larger_than,
        asked_at=request.created_at,
        expires_at=request.created_at + wait,
        beside=tuple(beside),
        preview=preview,
        digest=digest_of(preview),
        told=_who_gets_mail(request),
    )


def _who_gets_mail(request: MitigationRequest) -> tuple[str, ...]:
    """Who may approve it, by user name: the notice of its event goes to each address."""
    if not can_send():
        return ()
    able = Membership.objects.filter(
        organization=request.organization_id,
        role__in=[one for one in Role if one.covers(Role.APPROVER)],
        user__is_active=True,
    ).exclude(user__email="")
    others = able.exclude(user=request.created_by_id).order_by("user__username")
    return tuple(others.values_list("user__username", flat=True)[:MAX_TOLD])


def close_approval(
    request: MitigationRequest,
    trigger: ApprovalTrigger,
    *,
    now: datetime,
    by: User | None = None,
    reason: str = "",
    preview: ApprovalPreview | None = None,
) -> None:
    """`preview`: what is sent, if anything is."""
    approval = request.approval
    approval.outcome = TRANSITIONS[ApprovalOutcome(approval.outcome), trigger]
    approval.decided_at = now
    approval.decided_by, approval.reason = by, reason
    if preview is not None:
        approval.preview, approval.digest = preview, digest_of(preview)
    approval.save()
