"""The timeline's entry for a change of a mitigation's or a request's status."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from portal.core.formatting import dated, duration, lifetime, when_dated
from portal.mitigations.models import EndedBy, RequestKind
from portal.mitigations.states import ACTIVE, RequestStatus, Status
from portal.wording.badges import (
    BADGES,
    DISPLAY_BY_STATUS,
    REQUEST_BADGES,
    DisplayStatus,
)
from portal.wording.timeline_entry import FROM_PROVIDER, Entry, EventFacts

UNSEEN_AFTER: Final = timedelta(seconds=30)


def mitigation_status_entry(event: EventFacts) -> Entry | None:
    lets_go = event.is_plan and not event.is_stopped
    if event.data.get("told"):
        return Entry(
            at=event.at,
            badge=BADGES[DisplayStatus.WINDING_DOWN],
            what=f"{event.provider} received the request to release the plan."
            if lets_go
            else f"{event.provider} received the stop request and is winding down.",
            detail="" if lets_go else "It may filter a little longer, to avoid a second wave.",
        )
    if event.data.get("retry_at"):
        retry_at = datetime.fromisoformat(str(event.data["retry_at"]))
        return Entry(
            at=event.at,
            badge=FROM_PROVIDER,
            what=f"{event.provider} asked the portal to retry later.",
            detail=f"Retrying {when_dated(retry_at, event.at)}.",
        )
    if event.why == "unsaved":
        what = f"The portal could not save {event.provider}’s answer."
        detail = "The status shown is older. The portal’s log says why."
        return Entry(at=event.at, badge=BADGES[DisplayStatus.NOT_SAVED], what=what, detail=detail)
    if "unknown" in event.data:
        number = event.data["unknown"]
        what = f"{event.provider} reports status {number}, which the portal does not know."
        return Entry(at=event.at, badge=FROM_PROVIDER, what=what)
    status = Status(str(event.data["status"]))
    why = event.why
    if why == "still_held":
        tries = event.data.get("tries")
        detail = "The portal retried, with a lifetime of one second."
        if tries:
            detail = (
                f"The portal has tried {tries} times. Call {event.provider} and ask for the plan "
                f"to be removed."
            )
        what = f"{event.provider} confirmed the withdrawal, and still holds the plan."
        return Entry(at=event.at, badge=BADGES[DisplayStatus.STILL_HELD], what=what, detail=detail)
    words, detail = _WHY_WORDS.get(why, (_STATUS_WORDS.get(status), ""))
    if event.is_plan and not (event.is_stopped and status == Status.TERMINATED):
        words, detail = _PLAN_WHY_WORDS.get(why, (_PLAN_STATUS_WORDS.get(status, words), detail))
    if event.is_plan and status == Status.STANDBY and event.data.get("previous") in ACTIVE:
        words = "{provider} stopped filtering and holds the plan again."
    if status == Status.MITIGATING and event.has_filtered and not event.is_plan:
        words = "{provider} reports it is filtering again."
    if words is None or (status == Status.TERMINATING and event.is_ours):
        return None
    return Entry(
        at=event.at,
        badge=BADGES[DISPLAY_BY_STATUS[status]],
        what=words.format(provider=event.provider),
        detail=detail or _status_detail(status, event),
    )


_WHY_WORDS: Final = {
    # what happened, if the status alone does not tell it
    "turn": ("The portal is retrying {provider}.", "No provider helps yet."),
    "unsent": ("Nothing had been sent to {provider}.", ""),
    "lifetime_over": ("The lifetime at {provider} ran out.", ""),
    "mid_in_use": (
        "{provider} holds another mitigation under this number.",
        "The portal used a higher number and sent it again.",
    ),
    "mid_in_doubt": (
        "{provider} may hold another mitigation under this number.",
        "The portal will use a higher number to retry.",
    ),
    "identity": (
        "Another client uses the same identity at {provider}.",
        "The portal created a new one and is sending again.",
    ),
    "superseded": (
        "{provider} replaced this by your newer request.",
        "It holds only the newer of two requests that have addresses in common.",
    ),
}


_STATUS_WORDS: Final = {
    Status.PENDING: "{provider} no longer has this request.",
    Status.IN_PROGRESS: "{provider} accepted.",
    Status.MITIGATING: "{provider} reports it is filtering.",
    Status.ATTACK_STOPPED: "{provider} reports the attack has stopped.",
    Status.EXCEEDED: "{provider} reports it is over capacity.",
    Status.STANDBY: "{provider} holds the plan.",
    Status.WITHDRAWN: "{provider} stopped on its own.",
    Status.TERMINATING: "{provider} is winding down.",
    Status.TERMINATED: "{provider} confirmed that it stopped.",
    Status.EXPIRED: "The lifetime at {provider} ran out.",
}


_PLAN_WHY_WORDS: Final = {
    "turn": ("The portal is retrying {provider}.", "It does not hold the plan."),
    "lifetime_over": ("The lifetime at {provider} ran out.", ""),
    "superseded": ("{provider} replaced this by the newer version of the plan.", ""),
}


_PLAN_STATUS_WORDS: Final = {
    Status.PENDING: "{provider} no longer holds the plan.",
    Status.IN_PROGRESS: "{provider} activated the plan automatically and is setting up.",
    Status.WITHDRAWN: "{provider} stopped holding the plan.",
    Status.TERMINATING: "{provider} is releasing the plan.",
    Status.TERMINATED: "{provider} confirmed that it no longer holds the plan.",
}


def _status_detail(status: Status, event: EventFacts) -> str:
    if status == Status.PENDING:
        return "The portal is sending it again."
    if event.is_plan and status in (Status.IN_PROGRESS, Status.MITIGATING):
        return _began_before(event)
    if status in (Status.IN_PROGRESS, Status.STANDBY) and "lifetime" in event.data:
        granted = int(event.data["lifetime"])
        return "Granted without an end." if granted < 0 else f"Granted {lifetime(granted)}."
    is_first = status == Status.MITIGATING and not event.has_filtered
    if is_first and event.asked_at is not None and not event.is_plan:
        return f"{duration((event.at - event.asked_at).total_seconds())} after the request."
    return ""


def _began_before(event: EventFacts) -> str:
    """What happened while the portal was out of contact."""
    start = event.data.get("mitigation_start")
    began = datetime.fromisoformat(str(start)) if start else event.at
    if event.at - began < UNSEEN_AFTER:
        return ""
    return (
        f"It had activated the plan {when_dated(began, event.at)}; the portal only "
        "learned of it now."
    )


def request_status_entry(event: EventFacts) -> Entry | None:
    status = RequestStatus(str(event.data["status"]))
    words = {
        RequestStatus.FAILING: "No provider has confirmed help.",
        RequestStatus.EXPIRED: "The request ended: its lifetime ran out.",
    }.get(status)
    if event.data.get("ended_by") == EndedBy.NOT_APPROVED:
        words = "No one approved the request in time. Nothing was sent."
    if words is None or event.kind == RequestKind.DRILL:
        return None
    if event.is_plan and status == RequestStatus.FAILING:
        words = "No provider holds the plan."
    detail = _next_try(event) if status == RequestStatus.FAILING else ""
    return Entry(at=event.at, badge=REQUEST_BADGES[status], what=words, detail=detail)


def still_tries(event: EventFacts) -> bool:
    """Whether a request that failed is retried within minutes."""
    return not event.data.get("waits") and not event.data.get("next_try_at")


def _next_try(event: EventFacts) -> str:
    if event.data.get("next_try_at"):
        at = datetime.fromisoformat(str(event.data["next_try_at"]))
        return f"The portal will not retry before {dated(at, event.at)}."
    return "The portal keeps trying." if still_tries(event) else ""
