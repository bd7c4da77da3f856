"""Each status with its label, its shape and its colour family."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from itertools import groupby
from typing import Final

from portal.mitigations.models import EndedBy
from portal.mitigations.states import (
    LOOP,
    NOT_SENDABLE,
    STALE_AFTER,
    STILL_TRYING_WITHIN,
    RequestStatus,
    Status,
)
from portal.wording import replaced
from portal.wording.facts import Badge, MitigationFacts, RequestFacts


class DisplayStatus(Enum):
    """A mitigation's status as people distinguish it: finer than the API's."""

    NOT_ASKED = "not_asked"
    NOT_SENT = "not_sent"
    NOT_SENDABLE = "not_sendable"
    NOT_SAVED = "not_saved"
    REQUESTED = "requested"
    PUT_OFF = "put_off"
    NO_ANSWER = "no_answer"
    ACCEPTED = "accepted"
    STANDBY = "standby"
    MITIGATING = "mitigating"
    ATTACK_STOPPED = "attack_stopped"
    EXCEEDED = "exceeded"
    STOP_PENDING = "stop_pending"
    WINDING_DOWN = "winding_down"
    STILL_HELD = "still_held"
    TERMINATED = "terminated"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    LOOPED = "not_reached"
    EXPIRED = "expired"


BADGES: Final = {
    DisplayStatus.NOT_ASKED: Badge("Not asked", "ring", "idle"),
    DisplayStatus.NOT_SENT: Badge("Not sent yet", "dashed-ring", "idle"),
    DisplayStatus.NOT_SENDABLE: Badge("Not sent", "octagon", "bad"),
    DisplayStatus.NOT_SAVED: Badge("Answer not saved", "triangle", "warn"),
    DisplayStatus.REQUESTED: Badge("Requested", "ring-dot", "idle"),
    DisplayStatus.PUT_OFF: Badge("Deferred", "hourglass", "warn"),
    DisplayStatus.NO_ANSWER: Badge("No answer", "triangle", "warn"),
    DisplayStatus.ACCEPTED: Badge("Accepted", "half-disc", "info"),
    DisplayStatus.STANDBY: Badge("Standby", "pause", "idle"),
    DisplayStatus.MITIGATING: Badge("Mitigating", "shield", "good"),
    DisplayStatus.ATTACK_STOPPED: Badge("Attack stopped", "flag", "done"),
    DisplayStatus.EXCEEDED: Badge("Over capacity", "triangle", "warn"),
    DisplayStatus.STOP_PENDING: Badge("Terminating", "arrow-ring", "idle"),
    DisplayStatus.WINDING_DOWN: Badge("Terminating", "arrow-ring", "idle"),
    DisplayStatus.STILL_HELD: Badge("Still held", "triangle", "warn"),
    DisplayStatus.TERMINATED: Badge("Terminated", "square-tick", "idle"),
    DisplayStatus.WITHDRAWN: Badge("Withdrawn", "octagon", "bad"),
    DisplayStatus.REFUSED: Badge("Refused", "octagon", "bad"),
    DisplayStatus.LOOPED: Badge("Not reached", "octagon", "bad"),
    DisplayStatus.EXPIRED: Badge("Expired", "clock", "warn"),
}

STOPPING: Final = Badge("Stopping", "arrow-ring", "idle")
"""For a provider that is being withdrawn and will hold the plan again: nothing is terminated."""

REQUEST_BADGES: Final = {
    RequestStatus.AWAITING_APPROVAL: Badge("Awaiting approval", "hourglass", "warn"),
    RequestStatus.REQUESTING: Badge("Requesting", "ring-dot", "idle"),
    RequestStatus.IN_PROGRESS: BADGES[DisplayStatus.ACCEPTED],
    RequestStatus.MITIGATING: BADGES[DisplayStatus.MITIGATING],
    RequestStatus.ATTACK_STOPPED: BADGES[DisplayStatus.ATTACK_STOPPED],
    RequestStatus.STANDBY: BADGES[DisplayStatus.STANDBY],
    RequestStatus.FAILING: Badge("Failing", "octagon", "bad"),
    RequestStatus.TERMINATING: BADGES[DisplayStatus.WINDING_DOWN],
    RequestStatus.TERMINATED: BADGES[DisplayStatus.TERMINATED],
    RequestStatus.EXPIRED: BADGES[DisplayStatus.EXPIRED],
    RequestStatus.DECLINED: Badge("Declined", "square-tick", "idle"),
}

_ENDED_BADGES: Final[dict[str, Badge]] = {
    # unrequested ends, whatever reason the providers gave
    EndedBy.NOT_APPROVED: REQUEST_BADGES[RequestStatus.EXPIRED],
    EndedBy.LIFETIME: REQUEST_BADGES[RequestStatus.EXPIRED],
    EndedBy.PROVIDER: BADGES[DisplayStatus.WITHDRAWN],
}

SESSION_BADGES: Final = {
    "up": Badge("Connected", "disc-tick", "good"),
    "connecting": Badge("Connecting", "arrow-ring", "idle"),
    "down": Badge("Unreachable", "octagon", "bad"),
}
ANSWERS_LOST: Final = Badge("Connected, answers lost", "triangle", "warn")

DISPLAY_BY_STATUS: Final = {
    Status.PENDING: DisplayStatus.REQUESTED,
    Status.TERMINATING: DisplayStatus.WINDING_DOWN,
    Status.IN_PROGRESS: DisplayStatus.ACCEPTED,
    Status.MITIGATING: DisplayStatus.MITIGATING,
    Status.ATTACK_STOPPED: DisplayStatus.ATTACK_STOPPED,
    Status.EXCEEDED: DisplayStatus.EXCEEDED,
    Status.STANDBY: DisplayStatus.STANDBY,
    Status.WITHDRAWN: DisplayStatus.WITHDRAWN,
    Status.TERMINATED: DisplayStatus.TERMINATED,
    Status.REFUSED: DisplayStatus.REFUSED,
    Status.EXPIRED: DisplayStatus.EXPIRED,
}
CLAIMED: Final = (
    DisplayStatus.ACCEPTED,
    DisplayStatus.STANDBY,
    DisplayStatus.MITIGATING,
    DisplayStatus.ATTACK_STOPPED,
    DisplayStatus.EXCEEDED,
)
"""Statuses that are true only by the provider's last report."""
FILTERING: Final = (DisplayStatus.MITIGATING, DisplayStatus.EXCEEDED, DisplayStatus.ATTACK_STOPPED)
"""Traffic goes through the provider, by its last report."""


MAY_FILTER: Final = (
    DisplayStatus.NOT_SENT,
    DisplayStatus.REQUESTED,
    DisplayStatus.PUT_OFF,
    DisplayStatus.NOT_SAVED,
    DisplayStatus.NO_ANSWER,
    DisplayStatus.ACCEPTED,
    DisplayStatus.STANDBY,
    *FILTERING,
)
"""Asked and not refused."""


_BAD_FIRST: Final = (
    DisplayStatus.REFUSED, DisplayStatus.LOOPED, DisplayStatus.NOT_SENDABLE,
    DisplayStatus.WITHDRAWN, DisplayStatus.EXCEEDED, DisplayStatus.NO_ANSWER,
    DisplayStatus.NOT_SAVED, DisplayStatus.EXPIRED, DisplayStatus.STOP_PENDING,
    DisplayStatus.STILL_HELD,
)  # fmt: skip
_THEN: Final = (
    # A provider that asked the portal to retry later is no bad news while another one helps.
    DisplayStatus.MITIGATING, DisplayStatus.ATTACK_STOPPED, DisplayStatus.ACCEPTED,
    DisplayStatus.PUT_OFF, DisplayStatus.STANDBY, DisplayStatus.REQUESTED,
    DisplayStatus.NOT_SENT, DisplayStatus.WINDING_DOWN, DisplayStatus.TERMINATED,
)  # fmt: skip
_WORST_FIRST: Final = (*_BAD_FIRST, *_THEN)


def display_status(mitigation: MitigationFacts, now: datetime) -> DisplayStatus:
    if mitigation.status is None:
        return DisplayStatus.NOT_ASKED
    if mitigation.status == Status.PENDING:
        is_put_off = mitigation.retry_at is not None and mitigation.retry_at > now
        if mitigation.unsaved_at is not None:
            return DisplayStatus.NOT_SAVED
        if is_put_off and mitigation.refusal_code == NOT_SENDABLE:
            return DisplayStatus.NOT_SENDABLE
        if mitigation.sent_at is None:
            return DisplayStatus.NOT_SENT
        if is_put_off:
            return DisplayStatus.PUT_OFF
        is_overdue = mitigation.overdue_at is not None and mitigation.overdue_at <= now
        return DisplayStatus.NO_ANSWER if is_overdue else DisplayStatus.REQUESTED
    if mitigation.is_still_held:
        return DisplayStatus.STILL_HELD
    if mitigation.status == Status.TERMINATING:
        is_stop_confirmed = (
            mitigation.withdrawal_confirmed_at is not None or mitigation.withdrawal_asked_at is None
        )
        return DisplayStatus.WINDING_DOWN if is_stop_confirmed else DisplayStatus.STOP_PENDING
    if mitigation.status == Status.REFUSED and mitigation.refusal_code == LOOP:
        return DisplayStatus.LOOPED
    if mitigation.status == Status.REFUSED and mitigation.refusal_code == NOT_SENDABLE:
        return DisplayStatus.NOT_SENDABLE
    return DISPLAY_BY_STATUS[mitigation.status]


def mitigation_badge(mitigation: MitigationFacts, now: datetime) -> Badge:
    display = display_status(mitigation, now)
    if display == DisplayStatus.WITHDRAWN and mitigation.is_replaced and not mitigation.is_plan:
        return replaced.badge([mitigation])
    is_stopping = mitigation.is_held_again and display in (
        DisplayStatus.STOP_PENDING,
        DisplayStatus.WINDING_DOWN,
    )
    return STOPPING if is_stopping else BADGES[display]


def display_statuses(
    mitigations: Iterable[MitigationFacts], now: datetime
) -> dict[DisplayStatus, list[MitigationFacts]]:
    """The mitigations by display status, worst first."""
    order = {display: rank for rank, display in enumerate(_WORST_FIRST)}
    ranked = sorted(
        (
            (display_status(mitigation, now), mitigation)
            for mitigation in mitigations
            if mitigation.status is not None
        ),
        key=lambda pair: order[pair[0]],
    )
    return {
        display: [mitigation for _, mitigation in group]
        for display, group in groupby(ranked, key=lambda pair: pair[0])
    }


def request_badge(request: RequestFacts, now: datetime) -> Badge:
    """The badge of a request."""
    if request.status == RequestStatus.MITIGATING and DisplayStatus.EXCEEDED in display_statuses(
        request.mitigations, now
    ):
        return BADGES[DisplayStatus.EXCEEDED]
    if request.status == RequestStatus.TERMINATING and is_stopping(request):
        return STOPPING
    if is_replaced(request):
        return replaced.badge(request.started)
    if request.status == RequestStatus.TERMINATED and request.ended_by in _ENDED_BADGES:
        return _ENDED_BADGES[request.ended_by]
    return REQUEST_BADGES[request.status]


def is_stopping(request: RequestFacts) -> bool:
    """A provider is being withdrawn from filtering for a plan, and holds the plan again
    afterwards.
    """
    return any(mitigation.is_held_again for mitigation in request.started)


def is_replaced(request: RequestFacts) -> bool:
    """It ended because newer requests replaced it; no person terminated it and no provider
    confirmed an end.
    """
    if request.status != RequestStatus.TERMINATED or request.is_plan:
        return False
    is_ended = any(
        mitigation.status == Status.TERMINATED and mitigation.sent_at
        for mitigation in request.started
    )
    return any(mitigation.is_replaced for mitigation in request.started) and not is_ended


def headline_badge(request: RequestFacts, now: datetime) -> Badge:
    """The large shape beside the headline: like the badge, but an unanswered request warns."""
    by_display_status = display_statuses(request.mitigations, now)
    if request.status == RequestStatus.REQUESTING and set(by_display_status) & {
        *_BAD_FIRST,
        DisplayStatus.PUT_OFF,
    }:
        return BADGES[DisplayStatus.NO_ANSWER]
    if request.status == RequestStatus.TERMINATING and unreachable(
        by_display_status.get(DisplayStatus.STOP_PENDING, [])
    ):
        return BADGES[DisplayStatus.NO_ANSWER]
    if (
        request.status == RequestStatus.TERMINATING
        and DisplayStatus.STILL_HELD in by_display_status
    ):
        return BADGES[DisplayStatus.STILL_HELD]
    return request_badge(request, now)


def unreachable(mitigations: Iterable[MitigationFacts]) -> list[MitigationFacts]:
    return [mitigation for mitigation in mitigations if mitigation.session.state != "up"]


def next_try(mitigations: Iterable[MitigationFacts], now: datetime) -> datetime | None:
    """When the portal asks a wanted provider next: `now` while it is asking one, None if only after
    a person acts.
    """
    wanted = [mitigation for mitigation in mitigations if mitigation.withdrawal_asked_at is None]
    return min(
        (at for mitigation in wanted if (at := _next_try(mitigation, now)) is not None),
        default=None,
    )


def _next_try(mitigation: MitigationFacts, now: datetime) -> datetime | None:
    match display_status(mitigation, now):
        case (
            DisplayStatus.NOT_SENT
            | DisplayStatus.REQUESTED
            | DisplayStatus.NO_ANSWER
            | DisplayStatus.NOT_SAVED
        ):
            return now
        case (
            DisplayStatus.PUT_OFF
            | DisplayStatus.NOT_SENDABLE
            | DisplayStatus.REFUSED
            | DisplayStatus.WITHDRAWN
        ) if mitigation.retry_at:
            return max(mitigation.retry_at, now)
        case _:
            return None


def is_soon(at: datetime | None, now: datetime) -> bool:
    """Whether it is soon enough to say that the portal keeps trying."""
    return at is not None and at <= now + STILL_TRYING_WITHIN


def is_stale(mitigation: MitigationFacts, now: datetime) -> bool:
    """The provider reported it, but has been silent for three heartbeats or now reports an unknown
    status.
    """
    if display_status(mitigation, now) not in CLAIMED:
        return False
    if mitigation.unknown_report is not None:
        return True
    return mitigation.heard_at is None or now - mitigation.heard_at > STALE_AFTER


def dropped_now(mitigations: Iterable[MitigationFacts], now: datetime) -> int | None:
    """Bytes per second that the filtering mitigations report together; None if none reports
    amounts.
    """
    rates = [
        mitigation.bps_dropped
        for mitigation in mitigations
        if mitigation.bps_dropped is not None
        and display_status(mitigation, now) in (DisplayStatus.MITIGATING, DisplayStatus.EXCEEDED)
    ]
    return sum(rates) if rates else None
