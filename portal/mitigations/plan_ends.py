"""When filtering for a plan has ended although no person here asked for it. Pure functions of the
rows.

A provider activates a plan when contact is lost. It may stop in several ways: rearm the plan,
forget it, withdraw it, or let its lifetime run out. A lost session is not an end: the real state is
then unknown, and the rows keep the last report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from portal.mitigations.models import FilteringEnd, FilteringEndedBy, Mitigation, ProviderConflict
from portal.mitigations.replacement import replacement
from portal.mitigations.states import ACTIVE, Status, Trigger

_BY: Final = {
    Trigger.ARMED: FilteringEndedBy.REARMED,
    Trigger.FORGOTTEN: FilteringEndedBy.FORGOTTEN,
    Trigger.RENEWAL_MISSED: FilteringEndedBy.LIFETIME,
    Trigger.LIFETIME_OVER: FilteringEndedBy.LIFETIME,
    Trigger.PROVIDER_WITHDREW: FilteringEndedBy.PROVIDER,
    Trigger.ENDED: FilteringEndedBy.PROVIDER,
}


def filtering_end(
    mitigation: Mitigation,
    trigger: Trigger,
    status: Status,
    *,
    now: datetime,
    conflict: ProviderConflict | None,
    newer: Callable[[], Sequence[Mitigation]],
) -> FilteringEnd | None:
    """How the filtering for a plan ends by this change to `status`; None if it does not, or if a
    person here wanted it.

    `mitigation` is the state before the change. `newer` reads the newer immediate requests at its
    provider: if they protect everything that it protected, nothing has ended.
    """
    if trigger not in _BY or mitigation.withdrawal_asked_at is not None:
        return None
    if not _acts(mitigation) or status in (*ACTIVE, Status.TERMINATING):
        return None
    if mitigation.status == Status.ATTACK_STOPPED and status == Status.STANDBY:
        # The attack is over, and the provider is ready for the next one.
        return None
    by, replaced_by = _BY[trigger], None
    if others := newer():
        by, replaced_by = FilteringEndedBy.NEWER_REQUEST, replacement(mitigation, others)
        if not replaced_by.lost:
            return None
    return FilteringEnd(
        at=now,
        reported_at=mitigation.reported_at,
        by=by,
        has_filtered=mitigation.status != Status.IN_PROGRESS
        or mitigation.mitigating_at is not None,
        conflict=conflict,
        replaced_by=replaced_by,
    )


def filtering_ended_at(mitigations: Sequence[Mitigation]) -> datetime | None:
    """When the last of a plan's providers stopped on its own; None while one still acts, or if none
    did.
    """
    if is_acted_on(mitigations):
        return None
    return max((one.filtering_end.at for one in mitigations if one.filtering_end), default=None)


def is_acted_on(mitigations: Sequence[Mitigation]) -> bool:
    return any(_acts(one) for one in mitigations)


def _acts(mitigation: Mitigation) -> bool:
    """Whether it filters or is starting to, by its provider's last report. A provider that winds
    down may filter a little longer.
    """
    is_winding_down = mitigation.status == Status.TERMINATING
    return mitigation.status in ACTIVE or (is_winding_down and mitigation.mitigating_at is not None)
