"""What portal staff decide about a claim."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.accounts.staff_rights import StaffRight
from portal.core.errors import Conflict, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.core.targets import shown
from portal.core.typed_lines import MAX_REASON_LENGTH, checked_reason, one_line
from portal.events.models import EventType
from portal.organizations import queries
from portal.organizations import services as organizations
from portal.organizations.admin_mails import mail_admins
from portal.organizations.models import ProtectedResource
from portal.ownership import decision_mails
from portal.ownership.services.claims import advance, claim_of
from portal.ownership.states import ClaimState, ClaimTrigger, ProofMethod

MAY_VERIFY: Final = StaffRight("change resources", ("organizations.change_protectedresource",))


@transaction.atomic
def verify_by_staff(
    *,
    resource: ProtectedResource,
    actor: User,
    address: str = "",
    reason: str = "",
    overlaps_seen: str = "",
) -> ProtectedResource:
    """As `organizations.services.verify_resource`, with the claim's state; the organization's
    admins get a mail. The reason is for staff alone.

    NotFound if the resource was removed.
    """
    locked = _locked(resource, actor)
    if locked.is_verified:
        return locked
    reason = one_line(reason)
    # The overlaps themselves are refused first, below.
    if reason and (len(reason) > MAX_REASON_LENGTH or queries.overlapping(locked)):
        checked_reason(reason)
    claim = claim_of(locked)
    advance(claim, ClaimTrigger.STAFF_VERIFIED, timezone.now(), method=ProofMethod.STAFF)
    verified = organizations.verify_resource(
        resource=locked,
        actor=actor,
        address=address,
        reason=reason,
        overlaps_seen=overlaps_seen,
    )
    organization = locked.organization
    mail_admins(
        organization,
        lambda: decision_mails.verified(
            organization=organization.name, name=shown(locked.name), value=shown(locked.value)
        ),
    )
    return verified


@transaction.atomic
def refuse_by_staff(
    *, resource: ProtectedResource, actor: User, reason: str, address: str = ""
) -> None:
    """Tell the organization that the resource is not theirs, and why; its admins get a mail.

    Conflict if it is verified, Invalid without a reason, NotFound if it was removed.
    """
    locked = _locked(resource, actor)
    claim = claim_of(locked)
    if locked.is_verified:
        raise Conflict(f"{shown(locked.name)} is already verified.", code="already-verified")
    reason = checked_reason(reason)
    if claim.state == ClaimState.REFUSED and claim.refusal_reason == reason:
        return
    advance(claim, ClaimTrigger.STAFF_REFUSED, timezone.now(), refused_by=actor, reason=reason)
    organizations.record_resource(EventType.RESOURCE_REFUSED, locked, actor, {"reason": reason})
    organization = locked.organization
    record(
        SecurityEvent.RESOURCE_REFUSED,
        actor=actor.username,
        organization=organization.slug,
        resource=locked.name,
        value=locked.value,
        address=address,
    )
    mail_admins(
        organization,
        lambda: decision_mails.refused(
            organization=organization.name,
            name=shown(locked.name),
            value=shown(locked.value),
            reason=reason,
        ),
    )


def _locked(resource: ProtectedResource, actor: User) -> ProtectedResource:
    try:
        locked = organizations.lock_for_verification(resource)
    except ProtectedResource.DoesNotExist:
        raise NotFound from None
    MAY_VERIFY.require_still(actor)
    return locked
