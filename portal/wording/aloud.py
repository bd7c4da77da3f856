"""What is said aloud of an event, to those who hear the pages."""

from __future__ import annotations

from dataclasses import dataclass

from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.mitigations.states import ACTIVE, LOOP, NOT_SENDABLE, RequestStatus, Status
from portal.wording.table import LOOKS, SESSION_LOOKS, STATUS_FACES
from portal.wording.timeline import (
    Told,
    asked_words,
    drill_end,
    still_tries,
    stop_words,
    terminate_words,
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a screen reader is told of an event; urgent ones interrupt."""

    text: str
    is_urgent: bool = False


def announcement(told: Told) -> Announcement | None:
    """Status changes, ends, new requests. Never counters, rates, heartbeats, nor the steps of a drill."""
    if told.kind == RequestKind.DRILL:
        return None
    match told.type:
        case EventType.REQUEST_SUBMITTED:
            return Announcement(asked_words(told))
        case EventType.DRILL_STARTED:
            return Announcement(f"{told.who} started a drill.")
        case EventType.DRILL_ENDED:
            return Announcement(drill_end(told))
        case EventType.REQUEST_TERMINATE_REQUESTED:
            return Announcement(terminate_words(told, told.request))
        case EventType.REQUEST_STATUS:
            is_failing = told.data.get("status") == RequestStatus.FAILING
            what = "holds the plan" if told.is_plan else "has confirmed help"
            tries = " Still trying." if still_tries(told) else ""
            text = f"{told.request}: no provider {what}.{tries}"
            return Announcement(text, is_urgent=not told.is_plan) if is_failing else None
        case EventType.MITIGATION_ASKED:
            return Announcement(f"{told.who} asked {told.provider}.")
        case EventType.MITIGATION_WITHDRAW_REQUESTED if told.is_stopped:
            return Announcement(stop_words(told))
        case EventType.MITIGATION_WITHDRAW_REQUESTED:
            return Announcement(f"{told.who} withdrew {told.provider}.")
        case EventType.MITIGATION_REFUSED:
            words = {LOOP: "not reached", NOT_SENDABLE: "the portal could not send to it"}
            return Announcement(
                f"{told.provider}: {words.get(str(told.data.get('code')), 'refused')}."
            )
        case EventType.MITIGATION_STATUS:
            return _spoken_status(told)
        case EventType.SESSION_UP | EventType.SESSION_DOWN:
            state = "up" if told.type == EventType.SESSION_UP else "down"
            return Announcement(f"{told.provider}: {SESSION_LOOKS[state].word.lower()}.")
        case _:
            return None


def _spoken_status(told: Told) -> Announcement | None:
    status = Status(str(told.data["status"]))
    if told.data.get("why") == "unsaved":
        return Announcement(f"{told.provider}: the portal could not save its answer.")
    if told.data.get("told") or told.data.get("retry_at") or told.data.get("previous") == status:
        return None
    if status == Status.PENDING:
        return Announcement(f"{told.provider}: asked again.")
    if told.data.get("why") == "superseded":
        text = f"{told.request}: {told.provider} holds your newer request instead."
        return Announcement(text, is_urgent=bool(told.data.get("is_less")))
    word = LOOKS[STATUS_FACES[status]].word.lower()
    if told.is_plan and status == Status.STANDBY and told.data.get("previous") in ACTIVE:
        text = f"{told.provider} stopped filtering for the plan {told.request}."
        is_expected = told.data.get("previous") == Status.ATTACK_STOPPED
        return Announcement(text, is_urgent=not is_expected)
    if told.is_plan and status == Status.IN_PROGRESS:
        return Announcement(f"{told.provider} activated the plan {told.request}.", is_urgent=True)
    return Announcement(f"{told.provider}: {word}.", is_urgent=status == Status.WITHDRAWN)
