"""Lock a request with its mitigations, before the first event is written.

Locks are taken in this order: request, its mitigations, event counter, subscriptions
(docs/locking.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from portal.accounts.actors import Actor
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
)
from portal.organizations.access import require_current_role
from portal.organizations.models import Role


def lock_mitigation(mitigation_id: UUID) -> Mitigation:
    """The mitigation, with its request and all mitigations of that request locked. Only one process
    at a time decides about them.
    """
    rows = MitigationRequest.objects.select_for_update(of=("self",), no_key=True)
    request = rows.get(mitigations=mitigation_id)
    return next(
        mitigation for mitigation in mitigations_of(request) if mitigation.pk == mitigation_id
    )


def lock_request(request_id: UUID) -> MitigationRequest:
    """The request, locked with all its mitigations before the first event is written."""
    request = MitigationRequest.objects.select_for_update(no_key=True).get(pk=request_id)
    mitigations_of(request)
    return request


def lock_request_for(
    actor: Actor, request_id: UUID, role: Role = Role.OPERATOR
) -> MitigationRequest:
    """`lock_request`, with the log, for an act of `actor`. NotFound or NotAllowed if the actor's
    right has ended since the call began.
    """
    request = lock_request(request_id)
    require_current_role(request.organization_id, actor, role)
    return request


def mitigations_of(request: MitigationRequest) -> list[Mitigation]:
    """The mitigations of a locked request in the order of the providers, locked and freshly
    read.
    """
    if request.locked is None:
        mitigations = request.mitigations.select_for_update(of=("self",), no_key=True)
        mitigations = mitigations.order_by("position")
        request.locked = list(mitigations.select_related("subscription__provider"))
    return request.locked


def lock_requests(request_ids: Iterable[UUID]) -> None:
    """Lock several requests with their mitigations, in a fixed order, before anything is written
    about them.
    """
    ids = set(request_ids)
    requests = MitigationRequest.objects.select_for_update(no_key=True).filter(pk__in=ids)
    list(requests.order_by("pk").values_list("pk"))
    mitigations = Mitigation.objects.select_for_update(no_key=True).filter(request__in=ids)
    list(mitigations.order_by("pk").values_list("pk"))
