"""The text under the headline of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import ago, listed, moment, since, spaced_when, when
from portal.mitigations.models import FAILOVER_CAUSES
from portal.mitigations.states import CONFIRMED, RequestStatus
from portal.wording import plans
from portal.wording.approvals import waiting_summary
from portal.wording.badges import (
    DisplayStatus,
    display_status,
    display_statuses,
    is_soon,
    is_stale,
    unreachable,
)
from portal.wording.dropped import dropped_sentence, names_of
from portal.wording.facts import MitigationFacts, RequestFacts
from portal.wording.headlines import over_capacity
from portal.wording.refusals import unknown_report

_HELPING: Final = (
    RequestStatus.IN_PROGRESS,
    RequestStatus.MITIGATING,
    RequestStatus.ATTACK_STOPPED,
)


def lifetime_sentence(request: RequestFacts, now: datetime) -> str:
    """What happens to the filtering if no person acts."""
    if request.is_plan:
        return plans.end_sentence(request, now)
    if request.auto_renew and _cannot_be_renewed(request):
        without = (
            f"; without it filtering ends {when(request.ends_at, now, seconds=False)}"
            if request.ends_at
            else ""
        )
        return f"The portal renews it as soon as there is a connection again{without}."
    if request.auto_renew:
        return "Filtering stays on and renews automatically until you terminate it."
    if request.ends_at is None:
        return "Filtering stays on until you terminate it."
    return f"Filtering ends {when(request.ends_at, now, seconds=False)} unless you extend it."


def _cannot_be_renewed(request: RequestFacts) -> bool:
    """No provider that holds it is reachable now."""
    held = [
        mitigation
        for mitigation in request.started
        if mitigation.status in CONFIRMED and not mitigation.withdrawal_asked_at
    ]
    return bool(held) and all(mitigation.session.state != "up" for mitigation in held)


def summary(request: RequestFacts, now: datetime) -> str:
    """One or two sentences that a reader in a hurry can skip."""
    if request.status == RequestStatus.AWAITING_APPROVAL and request.approval is not None:
        return " ".join(waiting_summary(request.approval, now))
    activated = plans.activations(request, now) if request.is_plan else []
    silence = "" if request.status == RequestStatus.STANDBY else _silence(request, now)
    parts = [
        *activated,
        *_LEADS.get(request.status, _nothing)(request, now),
        _uncovered(request),
        silence,
        *_unknown(request, now),
    ]
    return " ".join(part for part in parts if part)


def _nothing(_asked: RequestFacts, _now: datetime) -> list[str]:
    return []


def _uncovered(request: RequestFacts) -> str:
    """Part of it is protected and the rest is not, which good news must not hide."""
    if request.status not in _HELPING or not request.uncovered:
        return ""
    return f"No provider has confirmed help for {listed(request.uncovered)}."


def _silence(request: RequestFacts, now: datetime) -> str:
    stale = [
        mitigation
        for mitigation in request.started
        if is_stale(mitigation, now)
        and mitigation.heard_at is not None
        and mitigation.unknown_report is None
    ]
    if not stale:
        return ""
    heard = min(mitigation.heard_at for mitigation in stale if mitigation.heard_at is not None)
    who = listed([mitigation.short for mitigation in stale])
    its = "its" if len(stale) == 1 else "their"
    return f"Nothing heard from {who} since {moment(heard, now)}; {its} last known status is shown."


def _unknown(request: RequestFacts, now: datetime) -> list[str]:
    return [
        f"{unknown_report(mitigation)}: the rest shown here is older."
        for mitigation in request.started
        if mitigation.unknown_report is not None and is_stale(mitigation, now)
    ]


def _waiting(mitigation: MitigationFacts, now: datetime) -> str:
    match display_status(mitigation, now):
        case DisplayStatus.NO_ANSWER:
            return f"{mitigation.name} has not answered since {moment(mitigation.sent_at, now)}."
        case DisplayStatus.REQUESTED:
            return f"{mitigation.short} was asked {ago(mitigation.sent_at, now)}."
        case DisplayStatus.NOT_SENT if mitigation.session.state == "up":
            return f"It is sent to {mitigation.short} within seconds."
        case DisplayStatus.NOT_SENT:
            return (
                f"There is no connection to {mitigation.short}{_since(mitigation, now)}; it is "
                f"sent as soon as there is one."
            )
        case DisplayStatus.PUT_OFF:
            return (
                f"{mitigation.short} asked the portal to retry later; "
                f"retrying {when(mitigation.retry_at, now)}."
            )
        case DisplayStatus.REFUSED:
            return " ".join(
                part
                for part in (
                    f"{mitigation.short} refused{_at(mitigation, now)}.",
                    mitigation.refusal,
                )
                if part
            )
        case DisplayStatus.LOOPED:
            return f"The request did not reach {mitigation.short}. {mitigation.refusal}".rstrip()
        case DisplayStatus.NOT_SENDABLE:
            return f"The portal could not send this to {mitigation.short}. {mitigation.refusal}"
        case DisplayStatus.NOT_SAVED:
            return f"The portal could not save {mitigation.short}’s answer."
        case DisplayStatus.WITHDRAWN if mitigation.is_replaced:
            newer = "the newer version of the plan" if mitigation.is_plan else "your newer request"
            return f"{mitigation.short} replaced this by {newer}{_at(mitigation, now)}."
        case DisplayStatus.WITHDRAWN if mitigation.is_plan:
            return f"{mitigation.short} stopped holding the plan{_at(mitigation, now)}."
        case DisplayStatus.WITHDRAWN:
            return f"{mitigation.short} stopped on its own{_at(mitigation, now)}."
        case DisplayStatus.EXPIRED:
            return f"{mitigation.short} was not renewed."
        case _:
            return ""


def _at(mitigation: MitigationFacts, now: datetime) -> str:
    return spaced_when(mitigation.ended_at, now)


def _since(mitigation: MitigationFacts, now: datetime) -> str:
    return f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""


def _keeps_asking(request: RequestFacts, now: datetime) -> str:
    open_faces = (
        DisplayStatus.NO_ANSWER,
        DisplayStatus.NOT_SAVED,
        DisplayStatus.REQUESTED,
        DisplayStatus.PUT_OFF,
        DisplayStatus.NOT_SENT,
    )
    pending = [
        mitigation
        for mitigation in request.started
        if display_status(mitigation, now) in open_faces
        and (
            display_status(mitigation, now) != DisplayStatus.PUT_OFF
            or is_soon(mitigation.retry_at, now)
        )
    ]
    if not pending:
        return ""
    whom = pending[0].short if len(pending) == 1 else "both" if len(pending) == 2 else "all of them"
    return f"The portal keeps asking {whom}, even if you close this page."


def _requesting(request: RequestFacts, now: datetime) -> list[str]:
    waiting = [_waiting(mitigation, now) for mitigation in request.started]
    if set(display_statuses(request.mitigations, now)) == {DisplayStatus.REQUESTED} and not any(
        mitigation.cause in FAILOVER_CAUSES for mitigation in request.started
    ):
        waiting = ["No provider has confirmed it yet."]
    return [*waiting, _keeps_asking(request, now)]


def _in_progress(request: RequestFacts, now: datetime) -> list[str]:
    accepted = display_statuses(request.mitigations, now).get(DisplayStatus.ACCEPTED, [])
    is_known = any(not is_stale(mitigation, now) for mitigation in accepted)
    return [
        "Nothing is filtered yet." if is_known else "No provider has reported that it filters yet.",
        *(
            _waiting(mitigation, now)
            for mitigation in request.started
            if display_status(mitigation, now) != DisplayStatus.ACCEPTED
        ),
    ]


def _mitigating(request: RequestFacts, now: datetime) -> list[str]:
    by_display_status = display_statuses(request.mitigations, now)
    over = over_capacity(request, now)
    other = [_waiting(mitigation, now) for mitigation in request.started if mitigation not in over]
    if over:
        is_over = "It is over capacity." if len(over) == 1 else "They are over capacity."
        if is_stale(over[0], now):
            is_over = ""
        also = _also_filter(by_display_status.get(DisplayStatus.MITIGATING, []), now)
        return [is_over, *also, *other, lifetime_sentence(request, now)]
    return [dropped_sentence(request.started, now), *other, lifetime_sentence(request, now)]


def _also_filter(mitigations: Sequence[MitigationFacts], now: datetime) -> list[str]:
    """Sentences about the providers that filter beside those over capacity, now or when
    last heard.
    """
    silent = [mitigation for mitigation in mitigations if is_stale(mitigation, now)]
    heard = [mitigation for mitigation in mitigations if mitigation not in silent]
    said = []
    if heard:
        said.append(f"{names_of(heard)} {'filters' if len(heard) == 1 else 'filter'} too.")
    if silent:
        it = "it is" if len(silent) == 1 else "they are"
        said.append(f"{names_of(silent)} last reported that {it} filtering too.")
    return said


def _standby(request: RequestFacts, now: datetime) -> list[str]:
    others = [
        _waiting(mitigation, now)
        for mitigation in request.started
        if display_status(mitigation, now) != DisplayStatus.STANDBY
    ]
    return [*plans.standby_summary(request, now), *others]


def _attack_stopped(request: RequestFacts, now: datetime) -> list[str]:
    if request.is_plan:
        return ["It returns to standby automatically."]
    known = [
        f"{mitigation.short} {when(mitigation.status_at, now)}"
        for mitigation in display_statuses(request.mitigations, now).get(
            DisplayStatus.ATTACK_STOPPED, []
        )
        if mitigation.status_at is not None
    ]
    first = f"First reported by {listed(known)}." if known else ""
    until = (
        "Until then filtering renews automatically."
        if request.auto_renew and not _cannot_be_renewed(request)
        else lifetime_sentence(request, now)
    )
    return [first, f"When {request.name} looks right to you, terminate.", until]


def _failing(request: RequestFacts, now: datetime) -> list[str]:
    return [
        *(_waiting(mitigation, now) for mitigation in request.started),
        _keeps_asking(request, now),
    ]


def _terminating(request: RequestFacts, now: datetime) -> list[str]:
    unstopped = unreachable(
        display_statuses(request.mitigations, now).get(DisplayStatus.STOP_PENDING, [])
    )
    if unstopped:
        verb = "It may" if len(unstopped) == 1 else "They may"
        is_held = request.is_plan and not any(mitigation.mitigating_at for mitigation in unstopped)
        what = "hold the plan" if is_held else "be filtering"
        return [
            f"{verb} still {what}. The portal keeps trying, even if you close this page.",
            plans.held_again(request),
        ]
    if kept := display_statuses(request.mitigations, now).get(DisplayStatus.STILL_HELD, []):
        return [plans.still_held(mitigation, now) for mitigation in kept]
    if request.is_plan and not any(mitigation.mitigating_at for mitigation in request.started):
        return []
    longer = "Providers may filter a little longer, to avoid a second wave."
    return [plans.held_again(request), longer]


def _terminated(request: RequestFacts, now: datetime) -> list[str]:
    confirmed = [
        mitigation
        for mitigation in display_statuses(request.mitigations, now).get(
            DisplayStatus.TERMINATED, []
        )
        if mitigation.sent_at is not None and mitigation.ended_at is not None
    ]
    if not confirmed:
        return []
    first, *others = confirmed
    said = f"{first.short} confirmed {when(first.ended_at, now)}"
    tail = [f"{mitigation.short} {when(mitigation.ended_at, now)}" for mitigation in others]
    return [f"{', '.join([said, *tail])}."]


_LEADS: Final[dict[RequestStatus, Callable[[RequestFacts, datetime], list[str]]]] = {
    RequestStatus.REQUESTING: _requesting,
    RequestStatus.IN_PROGRESS: _in_progress,
    RequestStatus.MITIGATING: _mitigating,
    RequestStatus.ATTACK_STOPPED: _attack_stopped,
    RequestStatus.STANDBY: _standby,
    RequestStatus.FAILING: _failing,
    RequestStatus.TERMINATING: _terminating,
    RequestStatus.TERMINATED: _terminated,
}
