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
from portal.wording.facts import Look, MitigationFacts

HEARTBEAT: Final = timedelta(seconds=30)
STALE_AFTER: Final = 3 * HEARTBEAT


class Face(Enum):
    """A mitigation's status as people tell it apart: finer than the API's."""

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


def face(mitigation: MitigationFacts, now: datetime) -> Face:
    if mitigation.status is None:
        return Face.NOT_ASKED
    if mitigation.status == Status.PENDING:
        is_put_off = mitigation.retry_at is not None and mitigation.retry_at > now
        if mitigation.unsaved_at is not None:
            return Face.NOT_SAVED
        if is_put_off and mitigation.refusal_code == NOT_SENDABLE:
            return Face.NOT_SENDABLE
        if mitigation.sent_at is None:
            return Face.NOT_SENT
        if is_put_off:
            return Face.PUT_OFF
        is_overdue = mitigation.overdue_at is not None and mitigation.overdue_at <= now
        return Face.NO_ANSWER if is_overdue else Face.REQUESTED
    if mitigation.is_still_held:
        return Face.STILL_HELD
    if mitigation.status == Status.TERMINATING:
        is_told = (
            mitigation.withdrawal_confirmed_at is not None or mitigation.withdrawal_asked_at is None
        )
        return Face.TOLD if is_told else Face.NOT_TOLD
    if mitigation.status == Status.REFUSED and mitigation.refusal_code == LOOP:
        return Face.NOT_REACHED
    if mitigation.status == Status.REFUSED and mitigation.refusal_code == NOT_SENDABLE:
        return Face.NOT_SENDABLE
    return STATUS_FACES[mitigation.status]


def mitigation_look(mitigation: MitigationFacts, now: datetime) -> Look:
    display = face(mitigation, now)
    if display == Face.WITHDRAWN and mitigation.is_replaced and not mitigation.is_plan:
        return replaced.look([mitigation])
    is_stopping = mitigation.is_held_again and display in (Face.NOT_TOLD, Face.TOLD)
    return STOPPING if is_stopping else LOOKS[display]


def next_try(mitigations: Iterable[MitigationFacts], now: datetime) -> datetime | None:
    """When the portal asks a wanted provider next; `now` while it is asking one; None: only after a person acts."""
    wanted = [mitigation for mitigation in mitigations if mitigation.withdrawal_asked_at is None]
    return min(
        (at for mitigation in wanted if (at := _next_try(mitigation, now)) is not None),
        default=None,
    )


def _next_try(mitigation: MitigationFacts, now: datetime) -> datetime | None:
    match face(mitigation, now):
        case Face.NOT_SENT | Face.REQUESTED | Face.NO_ANSWER | Face.NOT_SAVED:
            return now
        case Face.PUT_OFF | Face.NOT_SENDABLE | Face.REFUSED | Face.WITHDRAWN if (
            mitigation.retry_at
        ):
            return max(mitigation.retry_at, now)
        case _:
            return None


def is_soon(at: datetime | None, now: datetime) -> bool:
    """Soon enough to say that the portal keeps trying."""
    return at is not None and at <= now + STILL_TRYING_WITHIN


def is_stale(mitigation: MitigationFacts, now: datetime) -> bool:
    """The provider reported it, but has been silent for three heartbeats or now reports an unknown status."""
    if face(mitigation, now) not in CLAIMED:
        return False
    if mitigation.unknown_report is not None:
        return True
    return mitigation.heard_at is None or now - mitigation.heard_at > STALE_AFTER


def dropped_now(mitigations: Iterable[MitigationFacts], now: datetime) -> int | None:
    """Bytes per second that the filtering mitigations report together; None when none reports amounts."""
    rates = [
        mitigation.bps_dropped
        for mitigation in mitigations
        if mitigation.bps_dropped is not None
        and face(mitigation, now) in (Face.MITIGATING, Face.EXCEEDED)
    ]
    return sum(rates) if rates else None
