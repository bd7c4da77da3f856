"""Which providers policy withdraws when an earlier one accepts late and then filters. A pure
function of the mitigations.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from portal.mitigations.failover import may_filter
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import Status
from portal.organizations.models import LateAcceptance


def withdrawn_on_late_acceptance(
    mitigations: Sequence[Mitigation],
    *,
    policy: str,
    heard_since: datetime,
    spared: Collection[UUID] = (),
) -> list[tuple[Mitigation, list[UUID]]]:
    """The mitigations that failover started and policy withdraws, each with the subscriptions that
    filter instead.

    A mitigation is withdrawn only if providers earlier in the order report that they filter all its
    targets and were heard since `heard_since`: an acceptance alone stops nothing. Policy never
    withdraws what a person started. `spared`: providers that policy withdrew before and had to ask
    again.
    """
    if policy != LateAcceptance.WITHDRAW_LATER:
        return []
    found: list[tuple[Mitigation, list[UUID]]] = []
    for later in mitigations:
        if not later.is_failover or later.subscription_id in spared or not may_filter(later):
            continue
        filtering = [
            mitigation
            for mitigation in mitigations
            if mitigation.position < later.position
            and _filters(mitigation, heard_since=heard_since)
        ]
        covered = {target for mitigation in filtering for target in mitigation.scope.texts}
        if filtering and covered.issuperset(later.scope.texts):
            found.append((later, [mitigation.subscription_id for mitigation in filtering]))
    return found


def _filters(mitigation: Mitigation, *, heard_since: datetime) -> bool:
    is_fresh = mitigation.last_heard_at is not None and mitigation.last_heard_at >= heard_since
    return (
        mitigation.wanted == Wanted.ACTIVE and mitigation.status == Status.MITIGATING and is_fresh
    )
