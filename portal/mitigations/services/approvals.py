"""Approve, decline or send without approval a request that waits; end those that waited too long.

Every decision locks the request and its organization's log first, so of several simultaneous ones
the first counts. What it sends is what the deciding person saw (ADR 66).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.errors import Conflict, FieldError, Invalid, NotAllowed
from portal.core.formatting import when
from portal.core.sweeping import count_done
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.approvals import PreviewChanged, digest_of, preview_of
from portal.mitigations.models import (
    ApprovalOutcome,
    EndedBy,
    MitigationRequest,
    RequestApproval,
)
from portal.mitigations.models.approval import MAX_APPROVAL_REASON_LENGTH
from portal.mitigations.models.columns import ApprovalPreview
from portal.mitigations.replacement import Proposal, would_replace
from portal.mitigations.resubmission import resubmission
from portal.mitigations.services.advance import end_unsent, settle
from portal.mitigations.services.approval_rows import ApprovalTrigger, close_approval
from portal.mitigations.services.consent_check import CheckContext
from portal.mitigations.services.locks import lock_request, lock_request_for
from portal.mitigations.services.start_and_end import start_mitigation
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Checked
from portal.organizations.acting import name_at
from portal.organizations.models import Role
from portal.organizations.suspension import refuse_if_suspended

MIN_BREAK_GLASS_REASON: Final = 10
MAX_EXPIRED_AT_ONCE: Final = 500
"""Rows per sweep; the rest waits for the next one."""
_WORDS: Final = {
    ApprovalOutcome.APPROVED: "approved this",
    ApprovalOutcome.DECLINED: "declined this",
    ApprovalOutcome.CANCELED: "canceled this",
    ApprovalOutcome.BREAK_GLASS: "sent this without approval",
}


@transaction.atomic
def approve(*, request_id: UUID, actor: Actor, seen: str = "") -> MitigationRequest:
    """Send a request that waits, as a second person.

    `seen`: the digest of the preview that the person saw; empty: that of the submission. Raises
    PreviewChanged if the request would send something else now, NotAllowed for the person who asked
    for it, Conflict if it does not wait any more, and Invalid if it may not be sent any more.
    """
    person = actor.require_person()
    request = lock_request_for(actor, request_id, Role.APPROVER)
    now = timezone.now()
    _require_waiting(request, now)
    if request.created_by_id == person.pk:
        raise NotAllowed("Another person must approve what you requested.", code="not-your-own")
    sent = _send(request, seen, actor, now)
    close_approval(request, ApprovalTrigger.APPROVED, now=now, by=person, preview=sent)
    _record(request, EventType.REQUEST_APPROVED, actor, now)
    settle(request, now=now)
    return request


@transaction.atomic
def decline(*, request_id: UUID, actor: Actor, reason: str) -> MitigationRequest:
    """End a request that waits; nothing is sent. The person who asked terminates it instead."""
    reason = _checked_reason(reason, at_least=1)
    person = actor.require_person()
    request = lock_request_for(actor, request_id, Role.APPROVER)
    now = timezone.now()
    _require_waiting(request, now)
    if request.created_by_id == person.pk:
        raise NotAllowed("You requested this: cancel it instead.", code="not-your-own")
    close_approval(request, ApprovalTrigger.DECLINED, now=now, by=person, reason=reason)
    _record(request, EventType.REQUEST_DECLINED, actor, now, reason)
    end_unsent(request, RequestStatus.DECLINED, EndedBy.PERSON, now=now)
    return request


@transaction.atomic
def break_glass(
    *, request_id: UUID, actor: Actor, reason: str, seen: str = ""
) -> MitigationRequest:
    """Send a request that waits without approval. Raises as `approve`."""
    reason = _checked_reason(reason, at_least=MIN_BREAK_GLASS_REASON)
    person = actor.require_person()
    request = lock_request_for(actor, request_id)
    now = timezone.now()
    _require_waiting(request, now)
    sent = _send(request, seen, actor, now)
    close_approval(
        request, ApprovalTrigger.SENT_ANYWAY, now=now, by=person, reason=reason, preview=sent
    )
    _record(request, EventType.REQUEST_BREAK_GLASS, actor, now, reason)
    settle(request, now=now)
    return request


def expire_approvals(*, now: datetime) -> int:
    """End the requests that no one approved in time; return how many."""
    due = RequestApproval.objects.filter(outcome=ApprovalOutcome.WAITING, expires_at__lte=now)
    ids = list(due.order_by("expires_at").values_list("pk", flat=True)[:MAX_EXPIRED_AT_ONCE])
    return count_done(partial(_expire, now=now), ids)


@transaction.atomic(savepoint=False)
def _expire(request_id: UUID, now: datetime) -> bool:
    request = lock_request(request_id)
    if not request.waits_for_approval:
        return False
    close_approval(request, ApprovalTrigger.TIME_OVER, now=now)
    end_unsent(request, RequestStatus.EXPIRED, EndedBy.NOT_APPROVED, now=now)
    return True


def current_preview(request: MitigationRequest) -> tuple[Checked, ApprovalPreview]:
    """What sending it now would do. Raises Invalid if it may not be sent any more: a resource, a
    provider or the policy has changed.
    """
    context = CheckContext.of(request.organization)
    checked = context.check(
        resubmission(
            request,
            resources={one.id for one in context.resources},
            subscriptions={one.subscription for one in context.eligible_providers},
        )
    )
    live = queries.replaceable(request.organization_id, but=request.approval.beside)
    return checked, preview_of(checked, would_replace(Proposal.of(checked), live))


def _send(request: MitigationRequest, seen: str, actor: Actor, now: datetime) -> ApprovalPreview:
    refuse_if_suspended(request.organization_id)
    checked, preview = current_preview(request)
    if digest_of(preview) != (seen or request.approval.digest):
        raise PreviewChanged(request.approval.preview, preview)
    request.scope, request.subscriptions = checked.scope, checked.subscriptions
    request.replaces = preview.replaces
    request.save(update_fields=["scope", "subscriptions", "replaces"])
    first = [one.subscription for one in preview.messages if one.is_sent_at_once]
    # Every transaction locks several subscriptions in the same order.
    for subscription in sorted(first):
        start_mitigation(request, checked.assigned_scopes[subscription], now=now)
    return preview


def _require_waiting(request: MitigationRequest, now: datetime) -> None:
    approval = request.approval_row
    if approval is None:
        raise Conflict("This request needs no approval.", code="no-approval-needed")
    if approval.is_open(now):
        return
    if approval.outcome in (ApprovalOutcome.WAITING, ApprovalOutcome.EXPIRED):
        raise Conflict(
            f"No one approved this by {when(approval.expires_at, now, zone=True)}. Nothing was "
            "sent. Request mitigation again.",
            code="approval-expired",
        )
    at = when(approval.decided_at, now, zone=True)
    words = _WORDS[ApprovalOutcome(approval.outcome)]
    who = name_at(approval.decided_by, approval.organization_id, approval.decided_at)
    raise Conflict(f"{who or 'The portal'} {words} {at}.", code="already-decided")


def _checked_reason(reason: str, *, at_least: int) -> str:
    reason = reason.strip()
    if at_least <= len(reason) <= MAX_APPROVAL_REASON_LENGTH and "\0" not in reason:
        return reason
    if len(reason) < at_least:
        code, words = "too-short", f"Write a reason of at least {at_least} characters."
        if at_least == 1:
            code, words = "required", "Write a reason."
    elif "\0" in reason:
        code, words = "odd-characters", "The reason contains characters that are not allowed."
    else:
        code = "too-long"
        words = (
            f"The reason has {len(reason):,} characters: at most "
            f"{MAX_APPROVAL_REASON_LENGTH:,} are allowed."
        )
    raise Invalid(f"Nothing was changed. {words}", errors=[FieldError("reason", code, words)])


def _record(
    request: MitigationRequest, type: EventType, actor: Actor, now: datetime, reason: str = ""
) -> None:
    append_event(
        organization_id=request.organization_id,
        type=type,
        at=now,
        request=request,
        actor=actor,
        data={"reason": reason} if reason else {},
    )
