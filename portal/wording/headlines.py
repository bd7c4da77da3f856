"""The headline of a request: worst mitigation first, counted only if all agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import NBSP, ago, listed, moment, when
from portal.mitigations.models import FAILOVER_CAUSES, EndedBy
from portal.mitigations.states import RequestStatus
from portal.wording import plans, replaced
from portal.wording.badges import (
    FILTERING,
    DisplayStatus,
    display_status,
    display_statuses,
    is_soon,
    is_stale,
    is_stopping,
    next_try,
)
from portal.wording.facts import MitigationFacts, RequestFacts

_CLAUSES: Final = {
    # what one provider does, what several do
    DisplayStatus.REFUSED: ("refused", "refused"),
    DisplayStatus.LOOPED: ("was not reached", "were not reached"),
    DisplayStatus.NOT_SENDABLE: ("could not be asked", "could not be asked"),
    DisplayStatus.NOT_SAVED: (
        "answered, but the portal could not save the answer",
        "answered, but the portal could not save the answer",
    ),
    DisplayStatus.WITHDRAWN: ("stopped on its own", "stopped on their own"),
    DisplayStatus.EXCEEDED: ("is over capacity", "are over capacity"),
    DisplayStatus.NO_ANSWER: ("does not answer", "do not answer"),
    DisplayStatus.PUT_OFF: ("asked the portal to retry later", "asked the portal to retry later"),
    DisplayStatus.EXPIRED: ("was not renewed", "were not renewed"),
    DisplayStatus.STOP_PENDING: (
        "has not confirmed the stop request yet",
        "have not confirmed the stop request yet",
    ),
    DisplayStatus.STILL_HELD: ("still holds the plan", "still hold the plan"),
    DisplayStatus.MITIGATING: ("reports it is filtering", "report they are filtering"),
    DisplayStatus.ATTACK_STOPPED: (
        "reports the attack has stopped",
        "report the attack has stopped",
    ),
    DisplayStatus.ACCEPTED: ("accepted and is setting up", "accepted and are setting up"),
    DisplayStatus.STANDBY: ("holds the plan", "hold the plan"),
    DisplayStatus.REQUESTED: ("has not answered yet", "have not answered yet"),
    DisplayStatus.NOT_SENT: ("has not been asked yet", "have not been asked yet"),
    DisplayStatus.WINDING_DOWN: ("is winding down", "are winding down"),
    DisplayStatus.TERMINATED: ("stopped", "stopped"),
}
_LAST_REPORTED: Final = {
    # the same for silent providers: what was reported, not what is reported
    DisplayStatus.MITIGATING: ("last reported it is filtering", "last reported they are filtering"),
    DisplayStatus.ATTACK_STOPPED: (
        "last reported the attack has stopped",
        "last reported the attack has stopped",
    ),
    DisplayStatus.EXCEEDED: (
        "last reported it is over capacity",
        "last reported they are over capacity",
    ),
    DisplayStatus.ACCEPTED: ("accepted and was setting up", "accepted and were setting up"),
}


def everyone(count: int) -> str:
    """The subject if all providers asked agree and there are several."""
    return "both providers" if count == 2 else f"all {count}{NBSP}providers"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verb(display: DisplayStatus, mitigations: Sequence[MitigationFacts], now: datetime) -> str:
    is_plan = mitigations[0].is_plan
    if display == DisplayStatus.WITHDRAWN and mitigations[0].is_replaced:
        newer = "the newer version of the plan" if is_plan else "your newer request"
        return f"{'hold' if len(mitigations) > 1 else 'holds'} {newer} instead"
    if display == DisplayStatus.STANDBY and all(
        plans.has_lost_contact(mitigation, now) for mitigation in mitigations
    ):
        return plans.HELD_BEFORE
    is_old = all(is_stale(mitigation, now) for mitigation in mitigations)
    is_stopped = all(mitigation.is_held_again for mitigation in mitigations)
    tables = (
        (plans.STOPPING, is_stopped),
        (plans.LAST_REPORTED, is_plan and is_old),
        (plans.CLAUSES, is_plan),
        (_LAST_REPORTED, is_old),
        (_CLAUSES, True),
    )
    clauses = next(table[display] for table, counts in tables if counts and display in table)
    return clauses[len(mitigations) > 1]


def _subject(mitigations: Sequence[MitigationFacts], *, of: int, begins: bool = True) -> str:
    """`begins`: it starts the sentence."""
    if len(mitigations) == of and of > 1:
        return _capital(everyone(of)) if begins else everyone(of)
    return listed([mitigation.short for mitigation in mitigations])


def _alike(
    display: DisplayStatus, mitigations: Sequence[MitigationFacts], now: datetime
) -> list[list[MitigationFacts]]:
    """The providers that share one verb."""
    if display == DisplayStatus.STANDBY:
        return plans.lost_first(mitigations, now)
    if display == DisplayStatus.WITHDRAWN:
        replaced_mitigations = [mitigation for mitigation in mitigations if mitigation.is_replaced]
        others = [mitigation for mitigation in mitigations if not mitigation.is_replaced]
        return [group for group in (others, replaced_mitigations) if group]
    return _silent_last(mitigations, now)


def _silent_last(
    mitigations: Sequence[MitigationFacts], now: datetime
) -> list[list[MitigationFacts]]:
    """Providers with a fresh report, and those with an old one: the two need different verbs."""
    stale = [mitigation for mitigation in mitigations if is_stale(mitigation, now)]
    return [
        group
        for group in ([mitigation for mitigation in mitigations if mitigation not in stale], stale)
        if group
    ]


def _clauses(request: RequestFacts, now: datetime) -> str:
    """Worst mitigation first; counted only if all agree.

    Providers that stop and hold the plan again come before those that hold it.
    """
    total = len(request.started)
    groups = [
        (display, mitigations)
        for display, group in display_statuses(request.mitigations, now).items()
        for mitigations in _alike(display, group, now)
    ]
    groups.sort(key=lambda group: not any(mitigation.is_held_again for mitigation in group[1]))
    parts = [
        f"{_subject(mitigations, of=total)} {_verb(display, mitigations, now)}"
        for display, mitigations in groups
    ]
    return "; ".join(parts) + "."


def _requesting(request: RequestFacts, now: datetime) -> str:
    groups = display_statuses(request.mitigations, now)
    if set(groups) == {DisplayStatus.NOT_SENT}:
        return "Nothing has been sent yet."
    if request.is_plan:
        return "No provider holds the plan yet."
    if set(groups) <= {DisplayStatus.REQUESTED, DisplayStatus.NOT_SENT} and not any(
        mitigation.cause in FAILOVER_CAUSES for mitigation in groups[DisplayStatus.REQUESTED]
    ):
        waiting = groups[DisplayStatus.REQUESTED]
        first = min(mitigation.sent_at for mitigation in waiting if mitigation.sent_at is not None)
        whom = _subject(waiting, of=len(request.started), begins=False)
        return f"Sent to {whom} {ago(first, now)}."
    return "No provider has confirmed yet."


def _mitigating(request: RequestFacts, now: datetime) -> str:
    exceeded = over_capacity(request, now)
    if exceeded and is_stale(exceeded[0], now):
        it = "it" if len(exceeded) == 1 else "they"
        return (
            f"{listed([mitigation.short for mitigation in exceeded])} last reported that {it} "
            f"cannot stop all of the attack on {request.name}."
        )
    if exceeded:
        return (
            f"{listed([mitigation.short for mitigation in exceeded])} cannot stop all of the "
            f"attack on {request.name}."
        )
    return _clauses(request, now)


def over_capacity(request: RequestFacts, now: datetime) -> list[MitigationFacts]:
    """The providers that report it now or, if all are silent, those that reported it last."""
    groups = _silent_last(
        display_statuses(request.mitigations, now).get(DisplayStatus.EXCEEDED, []), now
    )
    return groups[0] if groups else []


def _attack_stopped(request: RequestFacts, now: datetime) -> str:
    groups = display_statuses(request.mitigations, now)
    filtering = [mitigation for display in FILTERING for mitigation in groups.get(display, [])]
    is_known = any(not is_stale(mitigation, now) for mitigation in filtering)
    still_on = "Filtering is still on." if is_known else "Filtering was still on at that time."
    mitigations = groups.get(DisplayStatus.ATTACK_STOPPED, [])
    if len(groups) == 1 and len(_silent_last(mitigations, now)) == 1:
        who = "Providers" if len(mitigations) > 1 else mitigations[0].short
        said = f"{who} {_verb(DisplayStatus.ATTACK_STOPPED, mitigations, now)}."
        return said if request.is_plan else f"{said} {still_on}"
    if request.is_plan:
        return _clauses(request, now)
    return f"{_clauses(request, now)} {still_on}"


def _terminating(request: RequestFacts, now: datetime) -> str:
    groups = display_statuses(request.mitigations, now)
    unstopped = groups.get(DisplayStatus.STOP_PENDING, [])
    unreachable = [one for one in unstopped if one.session.state != "up"]
    if unreachable:
        has = "has" if len(unreachable) == 1 else "have"
        is_released = request.is_plan and not any(one.is_held_again for one in unreachable)
        what = "release" if is_released else "stop"
        return f"{_names(unreachable)} {has} not confirmed the {what} request yet."
    if kept := groups.get(DisplayStatus.STILL_HELD, []):
        verb, they = ("holds", "it") if len(kept) == 1 else ("hold", "they")
        return f"{_names(kept)} still {verb} the plan, though {they} confirmed the withdrawal."
    if is_stopping(request):
        return _clauses(request, now)
    what = "release the plan" if request.is_plan else "stop"
    if unstopped:
        return f"Telling {_object(unstopped)} to {what}."
    stopping = [one for one in request.started if one.withdrawal_asked_at and one.sent_at]
    if stopping:
        return f"Told {_object(stopping)} to {what}.{_confirmed(stopping, now)}"
    winding_down = groups.get(DisplayStatus.WINDING_DOWN, [])
    if not winding_down:
        return _clauses(request, now)
    are = "is" if len(winding_down) == 1 else "are"
    return f"{_names(winding_down)} {are} winding down."


def _confirmed(stopping: Sequence[MitigationFacts], now: datetime) -> str:
    """A further sentence; empty if there is none."""
    confirmed = [one for one in stopping if display_status(one, now) == DisplayStatus.TERMINATED]
    if not confirmed:
        return ""
    return f" {_names(confirmed)} {'have' if len(confirmed) > 1 else 'has'} confirmed."


def _names(mitigations: Sequence[MitigationFacts]) -> str:
    return listed([one.short for one in mitigations])


def _object(mitigations: Sequence[MitigationFacts]) -> str:
    return mitigations[0].short if len(mitigations) == 1 else everyone(len(mitigations))


def _terminated(request: RequestFacts, now: datetime) -> str:
    groups = display_statuses(request.mitigations, now)
    confirmed = [
        mitigation
        for mitigation in groups.get(DisplayStatus.TERMINATED, [])
        if mitigation.sent_at is not None
    ]
    sent = [mitigation for mitigation in request.started if mitigation.sent_at is not None]
    if request.ended_by == EndedBy.PROVIDER:
        return _ended_by_providers(request)
    if request.ended_by == EndedBy.LIFETIME:
        return _expired(request, now)
    if request.is_plan:
        return plans.terminated(confirmed, sent, _capital(everyone(len(confirmed))))
    if not sent:
        return "Terminated. Nothing had been sent."
    if not confirmed and any(mitigation.is_replaced for mitigation in sent):
        return replaced.headline(sent)
    if not confirmed:
        return "Terminated. No provider was filtering."
    if len(confirmed) == len(sent) and len(confirmed) > 1:
        return f"Terminated. {_capital(everyone(len(confirmed)))} confirmed."
    return f"Terminated. {listed([mitigation.short for mitigation in confirmed])} confirmed."


def _ended_by_providers(request: RequestFacts) -> str:
    wanted = [
        mitigation for mitigation in request.started if mitigation.withdrawal_asked_at is None
    ]
    # A provider that never held it did not end it.
    mitigations = (
        [mitigation for mitigation in wanted if mitigation.confirmed_at is not None]
        or wanted
        or list(request.started)
    )
    names = listed([mitigation.short for mitigation in mitigations])
    what = "released the plan" if request.is_plan else "ended this"
    return f"{names} {what}. No one here asked for that."


def _expired(request: RequestFacts, now: datetime) -> str:
    if request.ended_by == EndedBy.NOT_APPROVED:
        return "No one approved this in time. Nothing was sent."
    at = when(request.ended_at or request.ends_at, now, seconds=False)
    then = "No provider holds the plan any more" if request.is_plan else "The request is over"
    return f"The lifetime ran out{f' {at}' if at else ''}. {then}."


def _declined(request: RequestFacts, _now: datetime) -> str:
    approval = request.approval
    because = f": {approval.reason.rstrip('.')}" if approval and approval.reason else ""
    by = approval.by if approval else ""
    return f"{by or 'An approver'} declined this{because}. Nothing was sent."


def _failing(request: RequestFacts, now: datetime) -> str:
    what = "holds the plan" if request.is_plan else "has confirmed help"
    at = next_try(request.started, now)
    if is_soon(at, now):
        return f"No provider {what}. Still trying."
    return (
        f"No provider "
        f"{what}.{f' The portal will not retry before {moment(at, now)}.' if at else ''}"
    )


_HEADLINES: Final[dict[RequestStatus, Callable[[RequestFacts, datetime], str]]] = {
    RequestStatus.AWAITING_APPROVAL: lambda _asked, _now: (
        "Nothing has been sent. Waiting for approval."
    ),
    RequestStatus.REQUESTING: _requesting,
    RequestStatus.IN_PROGRESS: _clauses,
    RequestStatus.MITIGATING: _mitigating,
    RequestStatus.ATTACK_STOPPED: _attack_stopped,
    RequestStatus.STANDBY: _clauses,
    RequestStatus.FAILING: _failing,
    RequestStatus.TERMINATING: _terminating,
    RequestStatus.TERMINATED: _terminated,
    RequestStatus.EXPIRED: _expired,
    RequestStatus.DECLINED: _declined,
}


def headline(request: RequestFacts, now: datetime) -> str:
    """The headline of the page."""
    return _HEADLINES[request.status](request, now)
