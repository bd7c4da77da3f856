"""The row of a claim, and the one place where its state changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from portal.accounts.models import User
from portal.organizations.models import ProtectedResource
from portal.ownership.models import ResourceClaim, WaitsBecause
from portal.ownership.states import TRANSITIONS, ClaimState, ClaimTrigger, ProofMethod


def make_claim(instance: ProtectedResource, *, created: bool, raw: bool, **_: Any) -> None:
    """Receives `post_save` of ProtectedResource. Without the claim, the first reader would make it:
    a viewer, or a token that may only read.
    """
    if created and not raw:
        ResourceClaim.objects.create(resource=instance)


def claim_of(resource: ProtectedResource) -> ResourceClaim:
    """Its claim; made now for a resource of an earlier release."""
    claim, _ = ResourceClaim.objects.get_or_create(resource=resource)
    claim.resource = resource
    return claim


def claims_of(resources: Iterable[ProtectedResource]) -> list[ResourceClaim]:
    """The claims of these resources, in their order."""
    wanted = list(resources)
    found = ResourceClaim.objects.in_bulk([one.pk for one in wanted])
    missing = [one for one in wanted if one.pk not in found]
    if missing:
        new = [ResourceClaim(resource=one) for one in missing]
        ResourceClaim.objects.bulk_create(new, ignore_conflicts=True)
        found |= ResourceClaim.objects.in_bulk([one.pk for one in missing])
    for one in wanted:
        found[one.pk].resource = one
    return [found[one.pk] for one in wanted]


def advance(
    claim: ResourceClaim,
    trigger: ClaimTrigger,
    now: datetime,
    *,
    method: ProofMethod | None = None,
    because: WaitsBecause | None = None,
    refused_by: User | None = None,
    reason: str = "",
) -> ClaimState:
    """Change the state by the table, and save it. The caller holds the lock of the organization's
    log, and writes `ProtectedResource.verified_at`.

    `because`: why it waits for staff. `reason`: what staff tell the organization.
    """
    state = TRANSITIONS[claim.state, trigger]
    claim.waits_since = (claim.waits_since or now) if state == ClaimState.WAITING else None
    claim.waits_because = (because or "") if state == ClaimState.WAITING else ""
    claim.missing_since = (
        (claim.missing_since or now) if state == ClaimState.PROOF_MISSING else None
    )
    if state == ClaimState.REFUSED:
        claim.refused_at, claim.refused_by, claim.refusal_reason = now, refused_by, reason
    elif state != ClaimState.WAITING:
        claim.refused_at, claim.refused_by, claim.refusal_reason = None, None, ""
    if method is not None:
        claim.method = method.value
    if state == ClaimState.UNPROVED:
        claim.method = ""
    claim.save()
    return state
