"""What a resource is needed for now, so that it is neither removed nor unverified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from portal.core.targets import Territory
from portal.mitigations import queries as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import REQUEST_TERMINAL
from portal.organizations.models import ProtectedResource
from portal.standby import queries as standby
from portal.standby.models import StandbyPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Live requests, and plans whether they are on or off."""

    requests: Sequence[MitigationRequest] = field(default=())
    plans: Sequence[StandbyPlan] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.requests or self.plans)


def uses_of(resource: ProtectedResource) -> Uses:
    """Those that name the resource, and live requests with targets that no other verified resource
    covers.

    Read it under the lock of the organization's log: nothing is submitted meanwhile.
    """
    organization = resource.organization
    others = Territory.of(
        one.target for one in mitigations.verified_resources(organization) if one.id != resource.pk
    )
    own = Territory.of([resource.target])
    live = (
        MitigationRequest.objects.filter(organization=organization)
        .exclude(status__in=REQUEST_TERMINAL)
        .prefetch_related("resources")
        .order_by("created_at", "pk")
    )
    plans = [
        plan
        for plan in standby.plans(organization)
        if resource.pk in {one.pk for one in plan.request.resources.all()}
    ]
    of_plans = {plan.request_id for plan in plans}
    return Uses(
        requests=[
            request
            for request in live
            if request.pk not in of_plans
            and (
                resource.pk in {one.pk for one in request.resources.all()}
                or any(own.has(one) and not others.has(one) for one in request.scope)
            )
        ],
        plans=plans,
    )
