"""Stop all filtering for a plan, by whatever means it was activated, and keep the plan held."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import Conflict
from portal.mitigations import services as mitigations
from portal.standby.models import StandbyPlan
from portal.standby.services.plan_versions import locked


@transaction.atomic
def stop_filtering(*, plan_id: UUID, actor: Actor) -> StandbyPlan:
    """End the requests made from the plan, and filtering that providers started on their own; the
    plan stays on.

    Providers that filter for the plan are asked to hold it again once they have stopped. Repeating
    it, or coming second, changes nothing.
    """
    plan = locked(plan_id, actor)
    if not plan.is_on:
        raise Conflict(
            (
                f"{plan.name} is off: no provider would hold it afterwards. Turn "
                f"it on first, or terminate the request."
            ),
            code="plan-is-off",
        )
    ongoing = plan.live_activation
    if ongoing is not None:
        mitigations.terminate(request_id=ongoing.pk, actor=actor)
    plan.request = mitigations.stop_filtering(request_id=plan.request_id, actor=actor)
    return plan
