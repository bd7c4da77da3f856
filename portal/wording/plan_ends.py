"""Sentences about unrequested ends of filtering for a plan, until a person acknowledges them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import listed, moment, when
from portal.mitigations.models import FilteringEndedBy
from portal.mitigations.states import STALE_AFTER, RequestStatus
from portal.wording import plans, replaced
from portal.wording.badges import BADGES, DisplayStatus
from portal.wording.facts import Badge, FilteringEndFacts, MitigationFacts, RequestFacts
from portal.wording.headlines import headline

STOPPED: Final = Badge("Stopped", "octagon", "bad")


def ended_mitigations(request: RequestFacts) -> list[MitigationFacts]:
    """The mitigations that stopped filtering for the plan on their own, if no provider filters for
    it any more.
    """
    if request.filtering_ended_at is None:
        return []
    return [mitigation for mitigation in request.started if mitigation.filtering_end is not None]


def ended_badge(mitigations: Sequence[MitigationFacts]) -> Badge:
    ends = {
        mitigation.filtering_end.by
        for mitigation in mitigations
        if mitigation.filtering_end is not None
    }
    if ends == {FilteringEndedBy.NEWER_REQUEST}:
        return replaced.REPLACED
    return BADGES[DisplayStatus.EXPIRED] if ends == {FilteringEndedBy.LIFETIME} else STOPPED


def ended_sentence(request: RequestFacts, now: datetime) -> str:
    """Which providers stopped, when and why, as far as known; then the current state of
    the plan.
    """
    said: dict[tuple[FilteringEndFacts, str], list[str]] = {}
    for mitigation in ended_mitigations(request):
        end = mitigation.filtering_end
        if end is not None:
            same = FilteringEndFacts(
                at=end.at,
                by=end.by,
                has_filtered=end.has_filtered,
                reason=end.reason,
                taken_over=end.taken_over,
            )
            said.setdefault((same, _at(end, now)), []).append(mitigation.short)
    parts = [_stopped(who, end, at, request.name) for (end, at), who in said.items()]
    return " ".join([*parts, _present(request, now)])


def _at(end: FilteringEndFacts, now: datetime) -> str:
    """ "at 03:12"; a provider that was silent for a while may have stopped long before
    its report.
    """
    if end.reported_at is None or end.at - end.reported_at <= STALE_AFTER:
        return when(end.at, now, seconds=False)
    first, last = (moment(at, now, seconds=False) for at in (end.reported_at, end.at))
    return f"between {first} and {last}"


def _stopped(who: Sequence[str], end: FilteringEndFacts, at: str, plan: str) -> str:
    names, its = listed(who), "its" if len(who) == 1 else "their"
    if end.by == FilteringEndedBy.NEWER_REQUEST and end.taken_over is not None:
        return replaced.less(who, end.taken_over, was_filtering=end.has_filtered)
    if end.by == FilteringEndedBy.LIFETIME:
        return (
            f"The lifetime of the plan {plan} ran out {at} at {names}, without a renewal: "
            f"{'it' if len(who) == 1 else 'they'} should have stopped filtering."
        )
    stopped = "stopped filtering" if end.has_filtered else "gave up setting up the filter"
    because = ""
    if end.by == FilteringEndedBy.FORGOTTEN:
        because = f": {'it' if len(who) == 1 else 'they'} no longer knew the plan"
    return (
        f"{names} {stopped} for the plan {plan} on {its} own {at}{because}. {end.reason}".rstrip()
    )


def _present(request: RequestFacts, now: datetime) -> str:
    if request.status == RequestStatus.REQUESTING:
        return "No provider holds the plan now; the portal is retrying."
    if len(request.started) == 1 and plans.is_held_now(request.started[0], now):
        return "It holds the plan again."
    return headline(request, now)
