"""What portal staff decide about a claim."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.security_log import SecurityEvent, record
from portal.core.targets import shown
from portal.events.models import EventType
from portal.organizations import services as organizations
from portal.organizations.models import ProtectedResource
from portal.ownership.services.claims import advance, claim_of
from portal.ownership.states import ClaimState, ClaimTrigger, ProofMethod


@transaction.atomic
def verify_by_staff(
    *,
    resource: ProtectedResource,
    actor: User,
    address: str = "",
    reason: str = "",
    overlaps_seen: str = "",
) -> ProtectedResource:
    """As `organizations.services.verify_resource`, with the claim's state."""
    locked = organizations.lock_for_verification(resource)
    if locked.is_verified:
        return locked
    claim = claim_of(locked)
    advance(claim, ClaimTrigger.STAFF_VERIFIED, timezone.now(), method=ProofMethod.STAFF)
    return organizations.verify_resource(
        resource=locked,
        actor=actor,
        address=address,
        reason=reason,
        overlaps_seen=overlaps_seen,
    )


@transaction.atomic
def refuse_by_staff(
    *, resource: ProtectedResource, actor: User, reason: str, address: str = ""
) -> None:
    """Tell the organization that the resource is not theirs, and why.

    Conflict if it is verified, Invalid without a reason.
    """
    locked = organizations.lock_for_verification(resource)
    claim = claim_of(locked)
    if locked.is_verified:
        raise Conflict(f"{shown(locked.name)} is already verified.", code="already-verified")
    reason = reason.strip()
    if not reason:
        message = "Write the reason: the organization reads it."
        raise Invalid(message, errors=[FieldError("reason", "reason-required", message)])
    if claim.state == ClaimState.REFUSED and claim.refusal_reason == reason:
        return
    advance(claim, ClaimTrigger.STAFF_REFUSED, timezone.now(), refused_by=actor, reason=reason)
    organizations.record_resource(EventType.RESOURCE_REFUSED, locked, actor, {"reason": reason})
    record(
        SecurityEvent.RESOURCE_REFUSED,
        actor=actor.username,
        organization=locked.organization.slug,
        resource=locked.name,
        value=locked.value,
        address=address,
    )
