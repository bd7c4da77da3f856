"""Submit a request: check it, save it with its first mitigations, and wake the signal worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.mitigations import queries
from portal.mitigations.approvals import ApprovalNeed, approval_need, preview_of
from portal.mitigations.consent import NO_CONSENT, Consent
from portal.mitigations.failover import due
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy
from portal.mitigations.replacement import Replaced
from portal.mitigations.services.approval_rows import begin_approval
from portal.mitigations.services.consent_check import CheckContext, check_with_consent
from portal.mitigations.services.create import append_submitted, new_request, save_new
from portal.mitigations.services.start_and_end import start_mitigation
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import (
    Checked,
    Submission,
)
from portal.organizations import idempotency
from portal.organizations.access import require_current_role
from portal.organizations.models import Organization, ProtectedResource, ResultKind
from portal.organizations.suspension import refuse_if_suspended


def submit(
    *,
    organization: Organization,
    actor: Actor,
    submission: Submission,
    key: str = "",
    kind: RequestKind = RequestKind.IMMEDIATE,
    name: str = "",
    consent: Consent = NO_CONSENT,
    instead_of: Collection[UUID] = (),
) -> MitigationRequest:
    """Check a submission and commit it: request, first mitigations, event, wake-up.

    `name`: its name, if its targets do not name it. `instead_of`: requests of the same plan that it
    replaces.

    The same `key` and submission of the same person return the first request; another submission
    under that key raises IdempotencyKeyReused. Raises Invalid with every invalid field,
    WouldReplace if it would replace live requests that `consent` does not include, QuotaExceeded if
    the organization or the actor has too many, OrganizationSuspended, and NotFound or NotAllowed if
    the actor's right to submit has ended since the call began.
    """
    content = _content(submission, kind, name, consent)
    call = idempotency.call_of(organization, actor, ResultKind.REQUEST, key, content)
    if kind == RequestKind.IMMEDIATE and not (name or instead_of or consent.is_for_some):
        request = submit_at_once(organization, actor, submission, call)
        if request is not None:
            return request
    with transaction.atomic():
        earlier = _first_result(idempotency.find(call, actor))
        if earlier is not None:
            return earlier
        # Its policy may have changed since the call began.
        organization = Organization.objects.get(pk=organization.pk)
        check_context = CheckContext.of(organization)
        checked = check_context.check(submission)
        # A transaction that starts a mitigation holds the lock on the event counter until it
        # commits, so a second one sees the first: its key, whether they overlap, and how many are
        # live.
        require_current_role(organization.pk, actor)
        earlier = _first_result(idempotency.find(call, actor))
        if earlier is not None:
            return earlier
        organization = Organization.objects.get(pk=organization.pk)
        refuse_if_suspended(organization.pk)
        if not check_context.holds(organization):
            # A resource, a provider or the policy was changed since: that takes the same lock.
            check_context = CheckContext.of(organization)
            checked = check_context.check(submission)
        checked, replaced = check_with_consent(
            check_context,
            submission,
            checked,
            consent,
            live=queries.replaceable(organization.pk, kind, but=instead_of),
        )
        now = timezone.now()
        need = None
        if kind == RequestKind.IMMEDIATE:
            need = approval_need(organization, actor, checked.scope)
        request = _create(
            organization, actor, checked, now, kind=kind, name=name, replaced=replaced, need=need
        )
        if need is not None:
            begin_approval(request, need, preview_of(checked, replaced), beside=tuple(instead_of))
        append_submitted(request, actor, now)
        _read_answer(request)
        call.save_result(request.pk)
        return request


def submitted_before(
    *,
    organization: Organization,
    actor: Actor,
    submission: Submission,
    key: str,
    kind: RequestKind = RequestKind.IMMEDIATE,
    name: str = "",
    consent: Consent = NO_CONSENT,
) -> MitigationRequest | None:
    """What `submit` returned before for the same arguments. Must run in a transaction."""
    content = _content(submission, kind, name, consent)
    return _first_result(idempotency.begin(organization, actor, ResultKind.REQUEST, key, content))


def _content(
    submission: Submission, kind: RequestKind, name: str, consent: Consent
) -> dict[str, Any]:
    """What makes two calls with the same key equal."""
    # The digests of the previous release were computed from this JSON, with ports in pairs.
    ports = [(one.lower, one.upper) for one in submission.ports]
    content = {**asdict(submission), "ports": ports, "kind": kind.value, "name": name}
    if consent.is_for_some:
        content |= {"replaces": sorted(map(str, consent.named)), "joint": consent.is_joint}
    return content


def _first_result(call: idempotency.Call) -> MitigationRequest | None:
    if call.first_result is None:
        return None
    return MitigationRequest.objects.filter(pk=call.first_result).first()


def _create(
    organization: Organization,
    actor: Actor,
    checked: Checked,
    now: datetime,
    *,
    kind: RequestKind,
    name: str,
    replaced: Sequence[Replaced],
    need: ApprovalNeed | None,
) -> MitigationRequest:
    """Save it with its first mitigations, or without any if someone has to approve it."""
    request = new_request(
        organization=organization,
        actor=actor,
        checked=checked,
        now=now,
        kind=kind,
        name=name,
        replaces=[one.id for one in replaced],
        status=RequestStatus.AWAITING_APPROVAL if need else RequestStatus.REQUESTING,
    )
    save_new(request, actor)
    if checked.resources:
        ticked = ProtectedResource.objects.filter(
            organization=organization, pk__in=checked.resources
        )
        request.resources.set(ticked)
        ticked.update(last_used_at=now)
    if need is not None:
        return request
    first = set(checked.assigned_scopes)
    if checked.strategy == Strategy.FAILOVER:
        first = {one.subscription for one in due(checked.scopes, [])}
    # Every transaction locks several subscriptions in the same order.
    for subscription in sorted(first):
        start_mitigation(request, checked.assigned_scopes[subscription], now=now)
    return request


def _read_answer(request: MitigationRequest) -> None:
    # Read before the commit, so that the answer is what was committed, however fast a provider
    # answers.
    mitigations = Mitigation.objects.select_related("subscription__provider")
    prefetch_related_objects([request], Prefetch("mitigations", mitigations), "resources")
