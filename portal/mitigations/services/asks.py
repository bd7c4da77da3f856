"""Actions of people: submit, terminate, extend, acknowledge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils import timezone

from portal.accounts.models import User
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.formatting import when
from portal.core.wake import wake_on_commit
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.failover import due
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy, Wanted
from portal.mitigations.replacing import NO_CONSENT, Consent, Replaced
from portal.mitigations.services.advance import (
    end_mitigation,
    lock_mitigation,
    lock_request,
    lock_requests,
    mitigations_of,
    settle,
    settle_ends_of_filtering,
    start_mitigation,
)
from portal.mitigations.services.creating import append_submitted, create_request
from portal.mitigations.services.replacing import Ground, settled
from portal.mitigations.states import CONFIRMED
from portal.mitigations.validation import (
    Checked,
    Submission,
    lifetime_problem,
    within_limits,
)
from portal.organizations import idempotency
from portal.organizations.models import Organization, ProtectedResource, ResultKind

MAX_ACKNOWLEDGED: Final = 100
"""Requests that one call acknowledges."""


def submit(
    *,
    organization: Organization,
    actor: User,
    submission: Submission,
    key: str = "",
    kind: RequestKind = RequestKind.IMMEDIATE,
    name: str = "",
    consent: Consent = NO_CONSENT,
    instead_of: Collection[UUID] = (),
) -> MitigationRequest:
    """Check a submission and commit it: request, first mitigations, event, wake-up.

    `name`: its name if it is not named by its targets. `instead_of`: requests of the same plan that it replaces.

    The same `key` and submission of the same person give the first request again; another submission
    under that key raises IdempotencyKeyReused. Raises Invalid with every wrong field, and WouldReplace when live requests
    would be replaced that `consent` does not allow.
    """
    with transaction.atomic():
        call = _call(organization, actor, submission, key, kind, name, consent)
        earlier = _first_result(call)
        if earlier is not None:
            return earlier
        ground = Ground.of(organization)
        checked = ground.check(submission)
        # A transaction that starts a mitigation locks the counter until it commits, so a second overlapping one sees the first.
        lock_log(organization.pk)
        checked, replaced = settled(
            ground,
            submission,
            checked,
            consent,
            live=queries.replaceable(organization.pk, kind, but=instead_of),
        )
        now = timezone.now()
        request = _create(
            organization, actor, checked, now, kind=kind, name=name, replaced=replaced
        )
        call.save_result(request.pk)
        return request


def submitted_before(
    *,
    organization: Organization,
    actor: User,
    submission: Submission,
    key: str,
    kind: RequestKind = RequestKind.IMMEDIATE,
    name: str = "",
    consent: Consent = NO_CONSENT,
) -> MitigationRequest | None:
    """What `submit` with the same arguments returned before; within a transaction."""
    return _first_result(_call(organization, actor, submission, key, kind, name, consent))


def _call(
    organization: Organization,
    actor: User,
    submission: Submission,
    key: str,
    kind: RequestKind,
    name: str,
    consent: Consent,
) -> idempotency.Call:
    content = {**asdict(submission), "kind": kind.value, "name": name}
    if consent.named or consent.is_joint:
        content |= {"replaces": sorted(map(str, consent.named)), "joint": consent.is_joint}
    return idempotency.begin(organization, actor, ResultKind.REQUEST, key, content)


def _first_result(call: idempotency.Call) -> MitigationRequest | None:
    if call.first_result is None:
        return None
    return MitigationRequest.objects.filter(pk=call.first_result).first()


def _create(
    organization: Organization,
    actor: User,
    checked: Checked,
    now: datetime,
    *,
    kind: RequestKind,
    name: str,
    replaced: Sequence[Replaced],
) -> MitigationRequest:
    request = create_request(
        organization=organization,
        actor=actor,
        checked=checked,
        now=now,
        kind=kind,
        name=name,
        replaces=[one.id for one in replaced],
    )
    if checked.resources:
        ticked = ProtectedResource.objects.filter(
            organization=organization, pk__in=checked.resources
        )
        request.resources.set(ticked)
        ticked.update(last_used_at=now)
    first = set(checked.parts)
    if checked.strategy == Strategy.FAILOVER:
        first = {one.subscription for one in due(checked.scopes, [])}
    # One order for everybody who takes several subscriptions' row locks.
    for subscription in sorted(first):
        start_mitigation(request, checked.parts[subscription], because="", now=now)
    append_submitted(request, actor, now)
    # Read before the commit: what is answered is what was committed, however fast a provider is.
    mitigations = Mitigation.objects.select_related("subscription__provider")
    prefetch_related_objects([request], Prefetch("mitigations", mitigations), "resources")
    return request


@transaction.atomic
def terminate(
    *, request_id: UUID, actor: User | None, newer: MitigationRequest | None = None
) -> MitigationRequest:
    """Ask every provider to stop. Repeating it, or coming second, changes nothing.

    Without an actor it is the portal that ends it. `newer`: the request that filters all of it instead.
    """
    request = lock_request(request_id)
    if request.terminate_asked_at or request.is_over:
        return request
    now = timezone.now()
    request.terminate_asked_at, request.terminate_asked_by = now, actor
    request.save(update_fields=["terminate_asked_at", "terminate_asked_by"])
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_TERMINATE_REQUESTED,
        at=now,
        request=request,
        actor=actor,
        data={"newer": str(newer.pk), "newer_name": newer.name} if newer else None,
    )
    settle_ends_of_filtering(mitigations_of(request))
    for mitigation in mitigations_of(request):
        if not (mitigation.is_over or mitigation.withdrawal_asked_at):
            end_mitigation(mitigation, now=now)
    settle(request, now=now)
    return request


@transaction.atomic
def withdraw_mitigation(*, mitigation_id: UUID) -> Mitigation:
    """Ask one provider to stop, by the portal's policy. Repeating it changes nothing."""
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over or mitigation.wanted == Wanted.WITHDRAWN:
        return mitigation
    now = timezone.now()
    end_mitigation(mitigation, now=now)
    settle(mitigation.request, now=now)
    return mitigation


@transaction.atomic
def ask_refresh(*, mitigation_id: UUID) -> datetime | None:
    """Have the provider confirm now that it still holds it; when that was asked, None if it is not held."""
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.wanted == Wanted.WITHDRAWN or mitigation.status not in CONFIRMED:
        return None
    mitigation.refresh_asked_at = timezone.now()
    mitigation.save(update_fields=["refresh_asked_at"])
    wake_on_commit(mitigation.subscription_id)
    return mitigation.refresh_asked_at


@transaction.atomic
def extend(*, request_id: UUID, actor: User, lifetime_s: int) -> MitigationRequest:
    """Ask each provider for `lifetime_s` from now (-1: until terminated), or for the longest it grants."""
    request = lock_request(request_id)
    refuse_extension(request, lifetime_s)
    now = timezone.now()
    request.lifetime_s = lifetime_s
    request.save(update_fields=["lifetime_s"])
    for mitigation in mitigations_of(request):
        if mitigation.wanted != Wanted.ACTIVE or mitigation.is_over:
            continue
        mitigation.lifetime_s = within_limits(lifetime_s, queries.ask_of(mitigation.subscription))
        mitigation.refresh_asked_at = now
        mitigation.save(update_fields=["lifetime_s", "refresh_asked_at"])
        wake_on_commit(mitigation.subscription_id)
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_EXTENDED,
        at=now,
        request=request,
        actor=actor,
        data={"lifetime": lifetime_s},
    )
    settle(request, now=now)
    return request


class SeenEnd(NamedTuple):
    """The end of a request that a person saw."""

    request_id: UUID
    ended_at: datetime | None
    "the request's `last_end_at` at that time; None: nobody can say"


@transaction.atomic
def acknowledge(seen: SeenEnd, *, actor: User) -> MitigationRequest:
    """A person has seen that the request ended, or that what providers filtered for a plan did. Repeating it changes nothing.

    Raises Conflict if it has not ended, or if another end came after the one that the person saw.
    """
    request = lock_request(seen.request_id)
    if request.last_end_at is None:
        raise Conflict("This request has not ended yet.", code="not-ended")
    if request.last_end_at != seen.ended_at:
        raise Conflict(
            f"{request.name} ended again after you loaded this page. See how it ended, then acknowledge that.",
            code="ended-again",
        )
    if request.acknowledged_at:
        return request
    now = timezone.now()
    request.acknowledged_at, request.acknowledged_by = now, actor
    request.save(update_fields=["acknowledged_at", "acknowledged_by"])
    append_event(
        organization_id=request.organization_id,
        type=EventType.REQUEST_ACKNOWLEDGED,
        at=now,
        request=request,
        actor=actor,
    )
    return request


@transaction.atomic
def acknowledge_all(
    *, organization: Organization, ends: Sequence[SeenEnd], actor: User
) -> list[MitigationRequest]:
    """Acknowledge all or none; returns them in the given order. Repeating it changes nothing.

    Raises Invalid for requests of another organization, and Conflict as `acknowledge` does.
    """
    request_ids = [one.request_id for one in ends]
    known = MitigationRequest.objects.filter(organization=organization, pk__in=request_ids)
    statuses = dict(known.values_list("pk", "status"))
    unknown = [index for index, one in enumerate(request_ids) if one not in statuses]
    if unknown:
        message = "There is no such request here. Leave it out."
        errors = [FieldError(f"ends.{index}", "unknown-request", message) for index in unknown]
        raise Invalid("Nothing was acknowledged.", errors=errors)
    lock_requests(request_ids)
    return [acknowledge(one, actor=actor) for one in dict.fromkeys(ends)]


def refuse_extension(request: MitigationRequest, lifetime_s: int) -> None:
    """Conflict or Invalid when it cannot be extended so; a provider's own limit is no reason."""
    refuse_if_ending(request)
    if not request.is_immediate:
        raise Conflict("A plan renews itself while it is on.", code="renews-itself")
    policy = queries.policy(request.organization)
    problem = lifetime_problem(lifetime_s, asks=(), policy=policy)
    if problem:
        raise Invalid("Nothing was changed. Correct one thing.", errors=[problem])


def refuse_if_ending(request: MitigationRequest) -> None:
    if request.terminate_asked_at:
        by = request.terminate_asked_by
        who = by.username if by else "The portal"
        at = when(request.terminate_asked_at, timezone.now(), zone=True)
        raise Conflict(f"{who} terminated this {at}. Nothing more to do.", code="terminated")
    if request.is_over:
        raise Conflict("This request has ended. Request mitigation again.", code="ended")
