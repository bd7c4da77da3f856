"""The next step that a page offers as its primary button."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from portal.mitigations.models import BY_ITSELF
from portal.mitigations.states import RequestStatus
from portal.wording.badges import (
    DisplayStatus,
    display_status,
    display_statuses,
    unreachable,
)
from portal.wording.facts import MitigationFacts, RequestFacts


class Act(Enum):
    """The next step that a page can offer as its primary button."""

    CALL = "call"
    ASK = "ask"
    TERMINATE = "terminate"
    ACKNOWLEDGE = "acknowledge"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do now, with the provider to call or ask if that is the step."""

    act: Act
    mitigation: MitigationFacts | None = None


_NOTHING_TO_DO_WITH_A_PLAN: Final = (
    RequestStatus.ATTACK_STOPPED,
    RequestStatus.TERMINATED,
    RequestStatus.EXPIRED,
)


def next_step(request: RequestFacts, now: datetime) -> NextStep | None:
    """The obvious next step for the state; None if waiting is right."""
    by_display_status = display_statuses(request.mitigations, now)
    if request.is_plan and request.status in _NOTHING_TO_DO_WITH_A_PLAN:
        return None
    troubled = (DisplayStatus.NO_ANSWER, DisplayStatus.NOT_SAVED, DisplayStatus.NOT_SENDABLE)
    silent = [mitigation for one in troubled for mitigation in by_display_status.get(one, [])]
    unstopped = unreachable(by_display_status.get(DisplayStatus.STOP_PENDING, []))
    match request.status:
        case RequestStatus.REQUESTING if silent:
            return _call(silent)
        case RequestStatus.FAILING:
            return _call(request.started)
        case RequestStatus.MITIGATING if DisplayStatus.EXCEEDED in by_display_status:
            return _ask(request, now) or _call(by_display_status[DisplayStatus.EXCEEDED])
        case RequestStatus.TERMINATING if unstopped:
            return _call(unstopped)
        case RequestStatus.TERMINATING if DisplayStatus.STILL_HELD in by_display_status:
            return _call(by_display_status[DisplayStatus.STILL_HELD])
        case RequestStatus.ATTACK_STOPPED:
            return NextStep(Act.TERMINATE)
        case RequestStatus.TERMINATED if request.ended_by in BY_ITSELF:
            return NextStep(Act.AGAIN)
        case RequestStatus.TERMINATED:
            return NextStep(Act.ACKNOWLEDGE)
        case RequestStatus.EXPIRED:
            return NextStep(Act.AGAIN)
        case _:
            return None


def _ask(request: RequestFacts, now: datetime) -> NextStep | None:
    left = (
        mitigation
        for mitigation in request.mitigations
        if display_status(mitigation, now) == DisplayStatus.NOT_ASKED and not mitigation.why_not
    )
    mitigation = next(left, None)
    return NextStep(Act.ASK, mitigation) if mitigation else None


def _call(mitigations: Iterable[MitigationFacts]) -> NextStep | None:
    mitigation = next((mitigation for mitigation in mitigations if mitigation.phone), None)
    return NextStep(Act.CALL, mitigation) if mitigation else None
