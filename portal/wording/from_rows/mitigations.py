"""Convert rows to the facts that sentences are made from, and to the provider cards that
show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from portal import wording
from portal.core.formatting import dialable
from portal.mitigations import queries
from portal.mitigations.failover import (
    current_mitigations,
    is_asked_again,
    is_withdrawn_by_policy,
    uncovered_targets,
)
from portal.mitigations.models import (
    Cause,
    Mitigation,
    MitigationRequest,
    Strategy,
    WithdrawnCause,
)
from portal.mitigations.replacement import without_consent
from portal.mitigations.states import CONFIRMED, RequestStatus, Status
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import AssignedScope, assign_scope
from portal.organizations.acting import name_at
from portal.organizations.models import LateAcceptance, Organization
from portal.providers.models import PathKind, Subscription
from portal.providers.wording import no_session_because
from portal.wording import causes
from portal.wording.approvals import ApprovalFacts
from portal.wording.replaced import taken_over
from portal.wording.replacement_losses import left_out


def session_of(subscription: Subscription) -> wording.Session:
    provider = subscription.provider
    return wording.Session(
        gateway=provider.path_name if provider.path_kind == PathKind.GATEWAY else "",
        relay=provider.path_name if provider.path_kind == PathKind.RELAY else "",
        state=subscription.session_state,
        since=subscription.session_since,
        last_heard_at=subscription.last_heard_at,
        detail=no_session_because(subscription.session_fault, subscription.session_detail),
    )


def _is_tried_again(mitigation: Mitigation) -> bool:
    if mitigation.status in (Status.PENDING, Status.TERMINATING):
        return True
    return is_asked_again(mitigation, list(mitigation.request.mitigations.all()))


def mitigation_facts(
    mitigation: Mitigation,
    *,
    status_at: datetime | None = None,
    earlier: Sequence[Mitigation] = (),
) -> wording.MitigationFacts:
    """`earlier`: previous mitigations of the same provider in this request, which were
    withdrawn.
    """
    subscription = mitigation.subscription
    provider = subscription.provider
    every = (*earlier, mitigation)
    dropped = [one.bytes_dropped for one in every if one.bytes_dropped is not None]
    targets = mitigation.scope.texts
    return wording.MitigationFacts(
        name=provider.name,
        short=provider.short_name,
        phone=dialable(provider.phone),
        is_plan=not mitigation.request.is_immediate,
        session=session_of(subscription),
        status=Status(mitigation.status),
        cause=Cause(mitigation.cause),
        because=asked_because(mitigation),
        sent_at=mitigation.sent_at,
        last_sent_at=mitigation.last_sent_at,
        sends=mitigation.sends,
        overdue_at=mitigation.overdue_at,
        confirmed_at=mitigation.confirmed_at,
        mitigating_at=mitigation.mitigating_at,
        first_mitigating_at=min(
            (one.mitigating_at for one in every if one.mitigating_at), default=None
        ),
        mitigation_start=mitigation.mitigation_start,
        unknown_report=mitigation.unknown_report,
        status_at=status_at,
        withdrawal_asked_at=mitigation.withdrawal_asked_at,
        withdrawal_confirmed_at=mitigation.withdrawal_confirmed_at,
        is_held_again=mitigation.hold_again,
        filtering_end=_filtering_end(mitigation),
        is_still_held=mitigation.is_still_held,
        release_tried_at=mitigation.release_tried_at,
        is_release_given_up=mitigation.is_release_given_up,
        ended_at=mitigation.ended_at,
        last_heard_at=mitigation.last_heard_at,
        is_replaced=mitigation.is_replaced,
        taken_over=taken_over(mitigation.replaced_by) if mitigation.is_replaced else None,
        retry_at=mitigation.retry_at if _is_tried_again(mitigation) else None,
        refusal_code=mitigation.refusal_code,
        unsaved_at=mitigation.unsaved_at,
        refusal=_refusal(mitigation),
        bytes_dropped=sum(dropped) if dropped else None,
        own_bytes_dropped=mitigation.bytes_dropped,
        bps_dropped=mitigation.bps_dropped,
        pps_dropped=mitigation.pps_dropped,
        reference=_reference(mitigation),
        id=str(mitigation.pk),
        subscription=str(subscription.pk),
        asked_at=mitigation.asked_at,
        asked_by=name_at(mitigation.asked_by, mitigation.organization_id, mitigation.asked_at),
        part=() if mitigation.scope == mitigation.request.scope else targets,
        must_wait=mitigation.must_wait,
        withdrawn_by=name_at(
            mitigation.withdrawn_by, mitigation.organization_id, mitigation.withdrawal_asked_at
        ),
        is_withdrawn_by_policy=is_withdrawn_by_policy(mitigation),
        withdrawn_because=withdrawn_because(mitigation),
        reported=_reported(mitigation),
        may_be_withdrawn=_may_be_withdrawn(mitigation, earlier),
    )


def asked_because(mitigation: Mitigation) -> str:
    """Why it was asked, as a clause; empty if the request itself or a person asked."""
    failed = mitigation.cause_subscription
    provider = failed.provider if failed is not None else None
    return causes.asked_because(
        Cause(mitigation.cause),
        provider=provider.short_name if provider else "",
        gateway=provider.path_name if provider and provider.path_kind == PathKind.GATEWAY else "",
        text=mitigation.cause_text,
    )


def withdrawn_because(mitigation: Mitigation) -> str:
    """Why policy withdrew it, as a clause; empty if policy did not."""
    if not mitigation.withdrawn_cause:
        return mitigation.withdrawn_cause_text
    names = {
        one.subscription_id: one.subscription.provider.short_name
        for one in mitigation.request.mitigations.all()
    }
    return causes.withdrawn_because(
        WithdrawnCause(mitigation.withdrawn_cause),
        [names[one] for one in mitigation.withdrawn_for if one in names],
        text=mitigation.withdrawn_cause_text,
    )


def _refusal(mitigation: Mitigation) -> str:
    """As a sentence; empty if the provider did not refuse it."""
    if not (mitigation.refusal_code or mitigation.conflict):
        return ""
    provider = mitigation.subscription.provider
    is_gateway = provider.path_kind == PathKind.GATEWAY
    return wording.refusal_sentence(
        f"Gateway {provider.path_name}" if is_gateway else provider.short_name,
        code=mitigation.refusal_code,
        reason=mitigation.refusal_reason,
        conflict=mitigation.conflict,
    )


def _filtering_end(mitigation: Mitigation) -> wording.FilteringEndFacts | None:
    end = mitigation.filtering_end
    if end is None:
        return None
    return wording.FilteringEndFacts(
        at=end.at,
        by=end.by,
        reported_at=end.reported_at,
        has_filtered=end.has_filtered,
        reason=wording.refusal_sentence(
            mitigation.subscription.provider.short_name, code="", conflict=end.conflict
        )
        if end.conflict
        else "",
        taken_over=taken_over(end.replaced_by) if end.replaced_by else None,
    )


def _reported(mitigation: Mitigation) -> wording.Reported | None:
    state, at = mitigation.efficacy_state, mitigation.efficacy_asked_at
    if state is None or at is None:
        return None
    return wording.Reported(
        attack_status=mitigation.attack_status,
        at=at,
        state=state,
        retry_at=mitigation.efficacy_retry_at,
        refusal=wording.refusal_sentence(
            mitigation.subscription.provider.short_name,
            code=mitigation.efficacy_code,
            reason=mitigation.efficacy_reason,
        )
        if mitigation.efficacy_code
        else "",
    )


def _reference(mitigation: Mitigation) -> str:
    """The reference for a support desk; behind a gateway the provider may know it by other
    numbers.
    """
    subscription = mitigation.subscription
    provider = subscription.provider
    numbers = f"cuid {subscription.cuid}, mid {mitigation.mid}"
    is_behind = provider.path_kind == PathKind.GATEWAY
    return f"{numbers} at gateway {provider.path_name}" if is_behind else numbers


def _may_be_withdrawn(mitigation: Mitigation, earlier: Sequence[Mitigation]) -> bool:
    """Whether policy may withdraw it: failover asked it, no person did, and policy did not withdraw
    it before.
    """
    policy = mitigation.request.organization.late_acceptance
    return (
        policy == LateAcceptance.WITHDRAW_LATER
        and mitigation.is_failover
        and not any(is_withdrawn_by_policy(one) for one in earlier)
    )


def _left_out(
    request: MitigationRequest, assigned: AssignedScope, live: Sequence[Mitigation | Unknown]
) -> str:
    if request.strategy != Strategy.FAILOVER or not request.is_immediate or not assigned.is_able:
        return ""
    found = without_consent(request, assigned.provider.subscription, assigned.scope, live)
    if not found:
        return ""
    return left_out(
        [one.name for one in found],
        ((one.provider, one.losses) for each in found for one in each.endings),
        is_filtering=any(one.is_filtering for one in found),
    )


def _not_asked(
    subscription: Subscription,
    request: MitigationRequest,
    live: Sequence[Mitigation | Unknown],
    *,
    is_chosen: bool,
) -> wording.MitigationFacts:
    provider = subscription.provider
    assigned = assign_scope(
        queries.eligible_provider(subscription), request.scope, port_ranges=len(request.ports)
    )
    is_partial = assigned.targets != request.scope.texts
    return wording.MitigationFacts(
        name=provider.name,
        short=provider.short_name,
        phone=dialable(provider.phone),
        session=session_of(subscription),
        subscription=str(subscription.pk),
        is_chosen=is_chosen,
        why_not=assigned.why_not(),
        left_out=_left_out(request, assigned, live) if is_chosen else "",
        part=assigned.targets if is_partial else (),
    )


def request_facts(
    request: MitigationRequest,
    subscriptions: Mapping[str, Subscription],
    organization: Organization,
    *,
    status_at: Mapping[UUID, datetime] | None = None,
    with_others: bool = False,
    live: Sequence[Mitigation | Unknown] = (),
) -> wording.RequestFacts:
    """A request as sentences need it. `subscriptions` are the organization's, by id.

    `live`: what providers hold for the organization (`queries.replaceable`), to find those that
    failover skips because of it.

    `with_others`: add the providers that the request does not name.
    """
    current = current_mitigations(list(request.mitigations.all()))
    by_id = _by_subscription(request, current, status_at or {})
    if not (request.is_over or request.terminate_asked_at):
        for subscription in subscriptions.values():
            one = subscription.pk
            is_chosen = one in request.subscriptions
            if one not in by_id and subscription.enabled and (is_chosen or with_others):
                by_id[one] = _not_asked(subscription, request, live, is_chosen=is_chosen)
    named = [one for one in request.subscriptions if one in by_id]
    facts = [by_id[one] for one in (*named, *(one for one in by_id if one not in named))]
    # The portal does not renew a mitigation that a provider stopped, refused or is ending.
    ends = [one.expires_at for one in current if one.expires_at and one.status in CONFIRMED]
    return wording.RequestFacts(
        name=request.name,
        status=RequestStatus(request.status),
        mitigations=tuple(facts),
        is_plan=not request.is_immediate,
        auto_renew=request.auto_renew,
        ends_at=min(ends, default=None),
        ended_at=request.ended_at,
        ended_by=request.ended_by,
        filtering_ended_at=request.filtering_ended_at,
        patience_s=organization.patience_s,
        uncovered=tuple(uncovered_targets(request.scope, current)),
        approval=approval_facts(request, organization),
    )


def approval_facts(request: MitigationRequest, organization: Organization) -> ApprovalFacts | None:
    """None if no one had to approve it. Plans and drills need no approval."""
    approval = request.approval_row if request.is_immediate else None
    if approval is None:
        return None
    return ApprovalFacts(
        organization=organization.name,
        cause=approval.cause,
        larger_than=approval.larger_than,
        told=approval.told,
        asked_at=approval.asked_at,
        expires_at=approval.expires_at,
        outcome=approval.outcome,
        decided_at=approval.decided_at,
        by=name_at(approval.decided_by, approval.organization_id, approval.decided_at),
        reason=approval.reason,
    )


def _by_subscription(
    request: MitigationRequest,
    current: Iterable[Mitigation],
    status_at: Mapping[UUID, datetime],
) -> dict[UUID, wording.MitigationFacts]:
    earlier: dict[UUID, list[Mitigation]] = defaultdict(list)
    # What a plan's provider did before it was stopped is in the log.
    if request.is_immediate:
        for one in request.mitigations.all():
            earlier[one.subscription_id].append(one)
    return {
        one.subscription_id: mitigation_facts(
            one,
            status_at=status_at.get(one.pk),
            earlier=[old for old in earlier[one.subscription_id] if old.pk != one.pk],
        )
        for one in current
    }
