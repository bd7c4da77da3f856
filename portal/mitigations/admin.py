"""What the staff site shows of live requests. Staff cannot see or edit the requests themselves."""

from __future__ import annotations

from collections.abc import Iterator

from portal.core.admin import tells_uses_of
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.states import REQUEST_TERMINAL
from portal.organizations.claims import overlaps
from portal.organizations.models import ProtectedResource

_CALLED = {RequestKind.STANDBY: "The standby plan", RequestKind.DRILL: "The drill"}


@tells_uses_of(ProtectedResource)
def live_requests(resource: ProtectedResource) -> Iterator[str]:
    """Each live request that targets something in the resource."""
    own = MitigationRequest.objects.filter(organization_id=resource.organization_id)
    for request in own.exclude(status__in=REQUEST_TERMINAL).order_by("created_at"):
        if any(overlaps(resource.target, target) for target in request.scope):
            yield (
                f"{_CALLED.get(RequestKind(request.kind), 'The request')} “{request.name}” is "
                "live and protects part of it."
            )
