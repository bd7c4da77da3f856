"""Activate a plan: request mitigation from its providers now."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.wording import who_first
from portal.core.errors import Conflict
from portal.core.formatting import when
from portal.mitigations import services as mitigations
from portal.mitigations.consent import NO_CONSENT, Consent
from portal.mitigations.models import MitigationRequest
from portal.standby.services.plan_content import submission_of
from portal.standby.services.plan_versions import locked, versions


@transaction.atomic
def activate(
    *, plan_id: UUID, actor: Actor, key: str = "", consent: Consent = NO_CONSENT
) -> MitigationRequest:
    """Request mitigation of the plan's targets from each of its providers now. The plan stays held.

    Raises WouldReplace if it would replace other live requests without `consent`.
    """
    plan = locked(plan_id, actor)
    prepared = submission_of(plan)
    earlier = mitigations.submitted_before(
        organization=plan.organization,
        actor=actor,
        submission=prepared,
        key=key,
        name=plan.name,
        consent=consent,
    )
    if earlier is not None:
        return earlier
    ongoing = plan.live_activation
    if ongoing is not None and not ongoing.terminate_asked_at:
        raise Conflict(
            f"{who_first(ongoing.requester)} activated this plan "
            f"{when(ongoing.created_at, timezone.now(), zone=True)}. Nothing more to do.",
            code="already-active",
        )
    plan.activation = mitigations.submit(
        organization=plan.organization,
        actor=actor,
        submission=prepared,
        key=key,
        name=plan.name,
        consent=consent,
        instead_of=versions(plan),
    )
    plan.save(update_fields=["activation"])
    return plan.activation
