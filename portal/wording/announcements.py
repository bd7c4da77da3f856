"""What screen readers announce about an event."""

from __future__ import annotations

from dataclasses import dataclass

from portal.events.models import EventType
from portal.mitigations.models import EndedBy, RequestKind
from portal.mitigations.states import ACTIVE, LOOP, NOT_SENDABLE, RequestStatus, Status
from portal.wording.badges import BADGES, DISPLAY_BY_STATUS, SESSION_BADGES
from portal.wording.timeline import (
    drill_end,
    stop_words,
    submitted_words,
    taken_over_words,
    terminate_words,
)
from portal.wording.timeline_entry import EventFacts
from portal.wording.timeline_status import still_tries


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a screen reader announces about an event; urgent ones interrupt."""

    text: str
    is_urgent: bool = False


def announcement(event: EventFacts) -> Announcement | None:
    """Status changes, ends, new requests.

    Never counters, rates, heartbeats, nor the steps of a drill.
    """
    if event.kind == RequestKind.DRILL:
        return None
    match event.type:
        case EventType.REQUEST_SUBMITTED:
            return Announcement(submitted_words(event))
        case EventType.DRILL_STARTED:
            return Announcement(f"{event.who} started a drill.")
        case EventType.DRILL_ENDED:
            return Announcement(drill_end(event))
        case EventType.REQUEST_TERMINATE_REQUESTED:
            return Announcement(terminate_words(event, event.request))
        case EventType.REQUEST_APPROVED:
            return Announcement(f"{event.who} approved {event.request}.")
        case EventType.REQUEST_DECLINED:
            return Announcement(f"{event.who} declined {event.request}. Nothing was sent.")
        case EventType.REQUEST_BREAK_GLASS:
            return Announcement(f"{event.who} sent {event.request} without approval.")
        case EventType.REQUEST_NOTE:
            return Announcement(f"{event.who} wrote a note on {event.request}.")
        case EventType.REQUEST_TAKEN_OVER:
            return Announcement(taken_over_words(event, event.request))
        case EventType.REQUEST_STATUS if event.data.get("ended_by") == EndedBy.NOT_APPROVED:
            text = f"{event.request}: no one approved it in time. Nothing was sent."
            return Announcement(text, is_urgent=True)
        case EventType.REQUEST_STATUS:
            is_failing = event.data.get("status") == RequestStatus.FAILING
            what = "holds the plan" if event.is_plan else "has confirmed help"
            tries = " Still trying." if still_tries(event) else ""
            text = f"{event.request}: no provider {what}.{tries}"
            return Announcement(text, is_urgent=not event.is_plan) if is_failing else None
        case EventType.MITIGATION_ASKED:
            return Announcement(f"{event.who} asked {event.provider}.")
        case EventType.MITIGATION_WITHDRAW_REQUESTED if event.is_stopped:
            return Announcement(stop_words(event))
        case EventType.MITIGATION_WITHDRAW_REQUESTED:
            return Announcement(f"{event.who} withdrew {event.provider}.")
        case EventType.MITIGATION_REFUSED:
            words = {LOOP: "not reached", NOT_SENDABLE: "the portal could not send to it"}
            return Announcement(
                f"{event.provider}: {words.get(str(event.data.get('code')), 'refused')}."
            )
        case EventType.MITIGATION_STATUS:
            return _spoken_status(event)
        case EventType.SESSION_UP | EventType.SESSION_DOWN:
            state = "up" if event.type == EventType.SESSION_UP else "down"
            return Announcement(f"{event.provider}: {SESSION_BADGES[state].word.lower()}.")
        case _:
            return None


def _spoken_status(event: EventFacts) -> Announcement | None:
    status = Status(str(event.data["status"]))
    if event.why == "unsaved":
        return Announcement(f"{event.provider}: the portal could not save its answer.")
    if event.data.get("told") or event.data.get("retry_at") or event.data.get("previous") == status:
        return None
    if status == Status.PENDING:
        return Announcement(f"{event.provider}: retrying.")
    if event.why == "superseded":
        text = f"{event.request}: {event.provider} holds your newer request instead."
        return Announcement(text, is_urgent=bool(event.data.get("is_less")))
    word = BADGES[DISPLAY_BY_STATUS[status]].word.lower()
    if event.is_plan and status == Status.STANDBY and event.data.get("previous") in ACTIVE:
        text = f"{event.provider} stopped filtering for the plan {event.request}."
        is_expected = event.data.get("previous") == Status.ATTACK_STOPPED
        return Announcement(text, is_urgent=not is_expected)
    if event.is_plan and status == Status.IN_PROGRESS:
        return Announcement(f"{event.provider} activated the plan {event.request}.", is_urgent=True)
    return Announcement(f"{event.provider}: {word}.", is_urgent=status == Status.WITHDRAWN)
