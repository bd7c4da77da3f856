"""Every status once: its word, its shape, its colour family."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from portal.mitigations.states import (
    LOOP,
    NOT_SENDABLE,
    STILL_TRYING_WITHIN,
    RequestStatus,
    Status,
)
from portal.wording import replaced
from portal.wording.facts import Leg, Look

HEARTBEAT: Final = timedelta(seconds=30)
STALE_AFTER: Final = 3 * HEARTBEAT


class Face(Enum):
    """A leg's status as people tell it apart: finer than the API's."""

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
    NOT_TOLD = "not_told"
    TOLD = "told"
    STILL_HELD = "still_held"
    TERMINATED = "terminated"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    NOT_REACHED = "not_reached"
    EXPIRED = "expired"


LOOKS: Final = {
    Face.NOT_ASKED: Look("Not asked", "ring", "idle"),
    Face.NOT_SENT: Look("Not sent yet", "dashed-ring", "idle"),
    Face.NOT_SENDABLE: Look("Not sent", "octagon", "bad"),
    Face.NOT_SAVED: Look("Answer not saved", "triangle", "warn"),
    Face.REQUESTED: Look("Requested", "ring-dot", "idle"),
    Face.PUT_OFF: Look("Told to wait", "hourglass", "warn"),
    Face.NO_ANSWER: Look("No answer", "triangle", "warn"),
    Face.ACCEPTED: Look("Accepted", "half-disc", "info"),
    Face.STANDBY: Look("Standby", "pause", "idle"),
    Face.MITIGATING: Look("Mitigating", "shield", "good"),
    Face.ATTACK_STOPPED: Look("Attack stopped", "flag", "done"),
    Face.EXCEEDED: Look("Over capacity", "triangle", "warn"),
    Face.NOT_TOLD: Look("Terminating", "arrow-ring", "idle"),
    Face.TOLD: Look("Terminating", "arrow-ring", "idle"),
    Face.STILL_HELD: Look("Still held", "triangle", "warn"),
    Face.TERMINATED: Look("Terminated", "square-tick", "idle"),
    Face.WITHDRAWN: Look("Withdrawn", "octagon", "bad"),
    Face.REFUSED: Look("Refused", "octagon", "bad"),
    Face.NOT_REACHED: Look("Not reached", "octagon", "bad"),
    Face.EXPIRED: Look("Expired", "clock", "warn"),
}

STOPPING: Final = Look("Stopping", "arrow-ring", "idle")
"""Of who is told to stop and holds the plan again after that: nothing is terminated."""

REQUEST_LOOKS: Final = {
    RequestStatus.AWAITING_APPROVAL: Look("Awaiting approval", "hourglass", "warn"),
    RequestStatus.REQUESTING: Look("Requesting", "ring-dot", "idle"),
    RequestStatus.IN_PROGRESS: LOOKS[Face.ACCEPTED],
    RequestStatus.MITIGATING: LOOKS[Face.MITIGATING],
    RequestStatus.ATTACK_STOPPED: LOOKS[Face.ATTACK_STOPPED],
    RequestStatus.STANDBY: LOOKS[Face.STANDBY],
    RequestStatus.FAILING: Look("Failing", "octagon", "bad"),
    RequestStatus.TERMINATING: LOOKS[Face.TOLD],
    RequestStatus.TERMINATED: LOOKS[Face.TERMINATED],
    RequestStatus.EXPIRED: LOOKS[Face.EXPIRED],
    RequestStatus.DECLINED: Look("Declined", "square-tick", "idle"),
}

SESSION_LOOKS: Final = {
    "up": Look("Connected", "disc-tick", "good"),
    "connecting": Look("Connecting", "arrow-ring", "idle"),
    "down": Look("Unreachable", "octagon", "bad"),
}
ANSWERS_LOST: Final = Look("Connected, answers lost", "triangle", "warn")

STATUS_FACES: Final = {
    Status.PENDING: Face.REQUESTED,
    Status.TERMINATING: Face.TOLD,
    Status.IN_PROGRESS: Face.ACCEPTED,
    Status.MITIGATING: Face.MITIGATING,
    Status.ATTACK_STOPPED: Face.ATTACK_STOPPED,
    Status.EXCEEDED: Face.EXCEEDED,
    Status.STANDBY: Face.STANDBY,
    Status.WITHDRAWN: Face.WITHDRAWN,
    Status.TERMINATED: Face.TERMINATED,
    Status.REFUSED: Face.REFUSED,
    Status.EXPIRED: Face.EXPIRED,
}
CLAIMED: Final = (Face.ACCEPTED, Face.STANDBY, Face.MITIGATING, Face.ATTACK_STOPPED, Face.EXCEEDED)
"""What is true only as far as the provider last said."""
FILTERING: Final = (Face.MITIGATING, Face.EXCEEDED, Face.ATTACK_STOPPED)
"""Traffic goes through the provider, as far as it last said."""


MAY_FILTER: Final = (
    Face.NOT_SENT,
    Face.REQUESTED,
    Face.PUT_OFF,
    Face.NOT_SAVED,
    Face.NO_ANSWER,
    Face.ACCEPTED,
    Face.STANDBY,
    *FILTERING,
)
"""Somebody counts on it: it was asked, and did not say no."""


def face(leg: Leg, now: datetime) -> Face:
    if leg.status is None:
        return Face.NOT_ASKED
    if leg.status == Status.PENDING:
        is_put_off = leg.retry_at is not None and leg.retry_at > now
        if leg.unsaved_at is not None:
            return Face.NOT_SAVED
        if is_put_off and leg.refusal_code == NOT_SENDABLE:
            return Face.NOT_SENDABLE
        if leg.sent_at is None:
            return Face.NOT_SENT
        if is_put_off:
            return Face.PUT_OFF
        is_overdue = leg.overdue_at is not None and leg.overdue_at <= now
        return Face.NO_ANSWER if is_overdue else Face.REQUESTED
    if leg.is_still_held:
        return Face.STILL_HELD
    if leg.status == Status.TERMINATING:
        is_told = leg.withdrawal_confirmed_at is not None or leg.withdrawal_asked_at is None
        return Face.TOLD if is_told else Face.NOT_TOLD
    if leg.status == Status.REFUSED and leg.refusal_code == LOOP:
        return Face.NOT_REACHED
    if leg.status == Status.REFUSED and leg.refusal_code == NOT_SENDABLE:
        return Face.NOT_SENDABLE
    return STATUS_FACES[leg.status]


def leg_look(leg: Leg, now: datetime) -> Look:
    leg_face = face(leg, now)
    if leg_face == Face.WITHDRAWN and leg.is_replaced and not leg.is_plan:
        return replaced.look([leg])
    is_stopping = leg.is_held_again and leg_face in (Face.NOT_TOLD, Face.TOLD)
    return STOPPING if is_stopping else LOOKS[leg_face]


def next_try(legs: Iterable[Leg], now: datetime) -> datetime | None:
    """When the portal asks a wanted provider next; `now` while it is asking one; None: only after a person acts."""
    wanted = [leg for leg in legs if leg.withdrawal_asked_at is None]
    return min((at for leg in wanted if (at := _next_try(leg, now)) is not None), default=None)


def _next_try(leg: Leg, now: datetime) -> datetime | None:
    match face(leg, now):
        case Face.NOT_SENT | Face.REQUESTED | Face.NO_ANSWER | Face.NOT_SAVED:
            return now
        case Face.PUT_OFF | Face.NOT_SENDABLE | Face.REFUSED | Face.WITHDRAWN if leg.retry_at:
            return max(leg.retry_at, now)
        case _:
            return None


def is_soon(at: datetime | None, now: datetime) -> bool:
    """Soon enough to say that the portal keeps trying."""
    return at is not None and at <= now + STILL_TRYING_WITHIN


def is_stale(leg: Leg, now: datetime) -> bool:
    """The provider reported it, but has been silent for three heartbeats or now reports an unknown status."""
    if face(leg, now) not in CLAIMED:
        return False
    if leg.unknown_report is not None:
        return True
    return leg.heard_at is None or now - leg.heard_at > STALE_AFTER


def dropped_now(legs: Iterable[Leg], now: datetime) -> int | None:
    """Bytes per second that the filtering legs report together; None when none reports amounts."""
    rates = [
        leg.bps_dropped
        for leg in legs
        if leg.bps_dropped is not None and face(leg, now) in (Face.MITIGATING, Face.EXCEEDED)
    ]
    return sum(rates) if rates else None
