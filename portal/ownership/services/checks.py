"""Ask for a check of a claim, make it, and decide by what it found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import dns.exception
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, Invalid, Throttled
from portal.core.security_log import SecurityEvent, record
from portal.core.targets import Target, uri_network
from portal.events.models import EventType
from portal.organizations import queries
from portal.organizations.access import require_current_role
from portal.organizations.claims import why_too_broad
from portal.organizations.models import ProtectedResource
from portal.organizations.services import (
    lock_for_verification,
    mark_verified,
    record_resource,
)
from portal.ownership.dns_proof import dns_proof
from portal.ownership.evidence import Evidence, Finding, Network
from portal.ownership.http_proof import http_proof
from portal.ownership.models import ResourceClaim, ResourceProof, WaitsBecause
from portal.ownership.places import places_of, value_of
from portal.ownership.services.change import lock_resource
from portal.ownership.services.claims import advance, claim_of
from portal.ownership.states import NEGATIVE, ClaimState, ClaimTrigger, ProofMethod, ProofResult
from portal.ownership.uses import uses_of

DEADLINE_S: Final = 30.0
"""of one check, whatever the servers do"""
ABANDONED_AFTER: Final = timedelta(seconds=120)
"""A check that has no result by then was lost with its process, and is made again."""
BATCH: Final = 10
"""Checks that one task makes at the same time."""
MAX_CHECKS_PER_HOUR: Final = 60
"""of one organization: the portal is not a scanner for its customers"""
MAX_PROOFS_KEPT: Final = 20
"""of one resource"""
RECHECK_AFTER: Final = timedelta(days=7)
MAX_RECHECKS: Final = 50
"""begun by one task"""
GRACE: Final = timedelta(days=21)
"""How long a proof may be missing before the resource is no longer verified."""


@transaction.atomic
def ask_check(*, resource: ProtectedResource, method: ProofMethod, actor: User) -> ResourceProof:
    """Begin a check, or return the one that runs. For staff: ask them to decide.

    Invalid if the method cannot show anything about such a resource; Throttled after too many.
    """
    locked = lock_resource(resource)
    require_current_role(locked.organization_id, Actor.person(actor))
    _refuse_impossible(locked.target, method)
    running = ResourceProof.objects.filter(resource=locked, ended_at__isnull=True).first()
    if running is not None:
        return running
    now = timezone.now()
    _throttle(locked, now)
    _forget_old(locked)
    proof = ResourceProof(resource=locked, method=method, asked_at=now, asked_by=actor)
    if method == ProofMethod.STAFF:
        proof.ended_at = now
        _ask_staff(proof, actor)
    else:
        _record(proof, actor)
    proof.save()
    return proof


def _ask_staff(proof: ResourceProof, actor: User) -> None:
    claim = claim_of(proof.resource)
    if claim.state in (ClaimState.VERIFIED, ClaimState.PROOF_MISSING):
        raise Conflict("It is already verified.", code="already-verified")
    if claim.state == ClaimState.WAITING:
        _record(proof, actor)
        return
    advance(claim, ClaimTrigger.STAFF_ASKED, proof.asked_at, because=WaitsBecause.ASKED)
    record_resource(EventType.RESOURCE_WAITING, proof.resource, actor)


def _record(proof: ResourceProof, actor: User) -> None:
    resource = proof.resource
    record_entry(
        Verb.RESOURCE_CHECK_ASKED,
        actor=Actor.person(actor),
        organization_id=resource.organization_id,
        about=Object("resource", resource.pk, resource.name),
        after={"method": proof.method, "value": resource.value},
    )


def _refuse_impossible(target: Target, method: ProofMethod) -> None:
    possible = places_of(target).methods
    if method in possible:
        return
    message = f"This cannot be checked by {method.value}. Choose one of: {', '.join(possible)}."
    raise Invalid.at("method", "method-not-possible", message)


def _throttle(resource: ProtectedResource, now: datetime) -> None:
    since = now - timedelta(hours=1)
    recent = ResourceProof.objects.filter(
        resource__organization=resource.organization_id,
        asked_by__isnull=False,
        asked_at__gt=since,
    ).order_by("asked_at")
    times = list(recent.values_list("asked_at", flat=True)[:MAX_CHECKS_PER_HOUR])
    if len(times) >= MAX_CHECKS_PER_HOUR:
        wait_s = max(1, int((times[0] - since).total_seconds()))
        raise Throttled(
            f"{resource.organization} has asked for {MAX_CHECKS_PER_HOUR} checks within an hour. "
            f"Try again in {wait_s // 60 + 1} min.",
            retry_after_s=wait_s,
        )


def _forget_old(resource: ProtectedResource) -> None:
    own = ResourceProof.objects.filter(resource=resource)
    kept = list(own.values_list("pk", flat=True)[: MAX_PROOFS_KEPT - 1])
    own.exclude(pk__in=kept).delete()


def begin_rechecks(now: datetime) -> int:
    """Ask for the checks that are due each week; how many."""
    recent = ResourceProof.objects.filter(
        resource=OuterRef("resource"), method=OuterRef("method"), asked_at__gt=now - RECHECK_AFTER
    )
    claims = (
        ResourceClaim.objects.filter(
            ~Exists(recent),
            method__in=[ProofMethod.DNS, ProofMethod.HTTP],
            resource__verified_at__isnull=False,
        )
        .select_related("resource__organization")
        .order_by("resource__verified_at")[:MAX_RECHECKS]
    )
    for claim in claims:
        with transaction.atomic():
            locked = lock_resource(claim.resource)
            _forget_old(locked)
            ResourceProof.objects.get_or_create(
                resource=locked,
                ended_at=None,
                defaults={"method": claim.method, "asked_at": now},
            )
    return len(claims)


def make_due_checks(network: Network, now: datetime) -> int:
    """Make the oldest checks that wait, at the same time; how many."""
    proofs = _take_due(now)
    if proofs:
        tokens = dict(
            ResourceClaim.objects.filter(
                resource__in=[one.resource_id for one in proofs]
            ).values_list("resource", "token")
        )
        for proof, evidence in zip(
            proofs, asyncio.run(_make(proofs, tokens, network)), strict=True
        ):
            save_result(proof, evidence, timezone.now())
    return len(proofs)


def _take_due(now: datetime) -> list[ResourceProof]:
    waits = Q(started_at__isnull=True) | Q(started_at__lte=now - ABANDONED_AFTER)
    due = (
        ResourceProof.objects.filter(waits, ended_at__isnull=True)
        .select_related("resource__organization", "resource__ownership_claim")
        .order_by("asked_at")[:BATCH]
    )
    taken = []
    for proof in due:
        claim_of(proof.resource)
        # Another worker may take it at the same time; one of them changes the row.
        own = ResourceProof.objects.filter(pk=proof.pk, started_at=proof.started_at)
        if own.update(started_at=now):
            taken.append(proof)
    return taken


async def _make(
    proofs: Sequence[ResourceProof], tokens: dict[UUID, str], network: Network
) -> list[Evidence]:
    return await asyncio.gather(
        *(
            gather(ProofMethod(one.method), one.resource.target, tokens[one.resource_id], network)
            for one in proofs
        )
    )


async def gather(method: ProofMethod, target: Target, token: str, network: Network) -> Evidence:
    """What the servers say now."""
    places, value = places_of(target), value_of(token)
    try:
        async with asyncio.timeout(DEADLINE_S):
            if method == ProofMethod.HTTP:
                return await http_proof(places.host, value, network)
            return await dns_proof(places.dns, value, network)
    except (TimeoutError, dns.exception.DNSException) as error:
        return Evidence(result=ProofResult.NO_ANSWER, findings=(_nobody(method, error),))


def _nobody(method: ProofMethod, error: Exception) -> Finding:
    why = str(error) or f"after {DEADLINE_S:.0f} s"
    return Finding(
        place=method.value, server="the portal’s resolver", result=ProofResult.NO_ANSWER, detail=why
    )


@transaction.atomic
def save_result(proof: ResourceProof, evidence: Evidence, now: datetime) -> None:
    """Write what a check found, and what follows for the claim."""
    try:
        lock = lock_for_verification if evidence.result == ProofResult.FOUND else lock_resource
        resource = lock(proof.resource)
    except ProtectedResource.DoesNotExist:
        return
    own = ResourceProof.objects.filter(pk=proof.pk, ended_at__isnull=True)
    if not own.update(ended_at=now, result=evidence.result):
        return
    proof.ended_at, proof.result = now, evidence.result
    proof.findings, proof.is_signed = evidence.findings, evidence.is_signed
    proof.save(update_fields=["findings", "is_signed"])
    if proof.asked_by_id is not None:
        record_resource(
            EventType.RESOURCE_CHECKED,
            resource,
            Actor.portal(),
            {"method": proof.method, "result": evidence.result.value},
        )
    claim = claim_of(resource)
    if evidence.result == ProofResult.FOUND:
        _decide_found(resource, claim, ProofMethod(proof.method), now)
    elif evidence.result in NEGATIVE and resource.is_verified and claim.method == proof.method:
        _decide_missing(resource, claim, now)


def _decide_found(
    resource: ProtectedResource, claim: ResourceClaim, method: ProofMethod, now: datetime
) -> None:
    if resource.is_verified:
        advance(claim, ClaimTrigger.PROVED, now)
        return
    because = _why_unclear(resource, claim)
    if because is not None:
        was_waiting = claim.state == ClaimState.WAITING
        advance(claim, ClaimTrigger.PROVED_UNCLEAR, now, because=because)
        if not was_waiting:
            record_resource(EventType.RESOURCE_WAITING, resource, Actor.portal())
        return
    advance(claim, ClaimTrigger.PROVED, now, method=method)
    mark_verified(resource, by=Actor.portal(), method=method.value)


def _why_unclear(resource: ProtectedResource, claim: ResourceClaim) -> WaitsBecause | None:
    """Why a person has to decide although the proof is there; None: the proof is enough.

    The organization is not told which: it would learn whose customers others are.
    """
    if claim.refused_at is not None:
        return WaitsBecause.REFUSED_BEFORE
    if resource.problem or why_too_broad(resource.target):
        return WaitsBecause.RULES
    if queries.overlapping(resource):
        return WaitsBecause.OVERLAPS
    if is_outside_policy(resource.target):
        return WaitsBecause.SIZE
    return None


def is_outside_policy(target: Target) -> bool:
    """Whether its prefix is larger or smaller than PORTAL_PROVED_PREFIXES allows: the
    reverse zone of a smaller one is rarely the customer's own.
    """
    value = target.value
    network = uri_network(value) if isinstance(value, str) else value
    if network is None:
        return False
    shortest, longest = settings.PORTAL_PROVED_PREFIXES[network.version]
    return not shortest <= network.prefixlen <= longest


def _decide_missing(resource: ProtectedResource, claim: ResourceClaim, now: datetime) -> None:
    is_new = claim.missing_since is None
    advance(claim, ClaimTrigger.PROOF_MISSED, now)
    if is_new:
        record_resource(EventType.RESOURCE_PROOF_MISSING, resource, Actor.portal())
    assert claim.missing_since is not None
    if now - claim.missing_since < GRACE or uses_of(resource):
        return
    advance(claim, ClaimTrigger.GRACE_OVER, now)
    resource.verified_at = resource.verified_by = None
    resource.verification_reason = ""
    resource.save(update_fields=["verified_at", "verified_by", "verification_reason"])
    record_resource(EventType.RESOURCE_UNVERIFIED, resource, Actor.portal())
    record(
        SecurityEvent.RESOURCE_UNVERIFIED,
        actor="portal",
        organization=resource.organization.slug,
        resource=resource.name,
        value=resource.value,
    )
