"""The timeline: one entry per event, with the terms of the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from portal.core.formatting import dated, duration, lifetime, listed, plural, when_dated
from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.mitigations.states import ACTIVE, LOOP, NOT_SENDABLE, RequestStatus, Status
from portal.wording.badges import (
    BADGES,
    DISPLAY_BY_STATUS,
    REQUEST_BADGES,
    SESSION_BADGES,
    DisplayStatus,
)
from portal.wording.changes import change_of
from portal.wording.efficacy import ATTACK_WORDS
from portal.wording.facts import Badge
from portal.wording.refusals import refusal_sentence

PERSON: Final = Badge("", "person", "idle")
TO_PROVIDER: Final = Badge("", "out", "idle")
FROM_PROVIDER: Final = Badge("", "in", "idle")

UNSEEN_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """One event, as sentences need it."""

    at: datetime
    type: EventType
    data: Mapping[str, Any]
    provider: str = ""
    "short name"
    actor: str = ""
    "who acted, at the start of a sentence"
    is_by_person: bool = True
    request: str = ""
    "the request's name"
    reason: str = ""
    "what the person wrote"
    because: str = ""
    "why the provider was asked, as a clause"
    withdrawn_because: str = ""
    "why policy withdrew the provider, as a clause"
    asked_at: datetime | None = None
    is_ours: bool = False
    "the end was asked for by us"
    is_stopped: bool = False
    "a person stopped its filtering for a plan, which it holds again afterwards"
    kind: RequestKind = RequestKind.IMMEDIATE

    @property
    def why(self) -> str:
        """The code beside the status; earlier releases wrote it with spaces."""
        return str(self.data.get("why", "")).replace(" ", "_")

    @property
    def is_plan(self) -> bool:
        return self.kind != RequestKind.IMMEDIATE

    @property
    def who(self) -> str:
        """Who acted: the person, the portal's staff, or else the portal."""
        return self.actor or ("Portal staff" if self.data.get("by") == "staff" else "The portal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the timeline: the actor, the action, and a detail below."""

    at: datetime
    badge: Badge
    what: str
    detail: str = ""
    merges: str = ""
    "entries of the same moment with the same text are merged"
    provider: str = ""


def _submitted(event: EventFacts) -> Entry:
    badge = PERSON if event.is_by_person else TO_PROVIDER
    return Entry(at=event.at, badge=badge, what=submitted_words(event), detail=event.reason)


def submitted_words(event: EventFacts) -> str:
    if event.data.get("adopted"):
        return f"{event.who} adopted an existing mitigation for {event.request}."
    match event.kind:
        case RequestKind.STANDBY:
            return f"{event.who} asked providers to hold the plan {event.request}."
        case RequestKind.DRILL:
            return f"{event.who} started a drill."
        case _:
            return f"{event.who} requested mitigation for {event.request}."


def terminate_words(event: EventFacts, what: str) -> str:
    match event.kind:
        case RequestKind.STANDBY:
            return f"{event.who} turned off the plan {event.request}."
        case RequestKind.DRILL:
            return f"{event.who} ended the drill."
        case _:
            return f"{event.who} terminated {what}."


def _sent(event: EventFacts) -> Entry:
    detail = f"{event.because[:1].upper()}{event.because[1:]}." if event.because else ""
    return Entry(
        at=event.at,
        badge=TO_PROVIDER,
        what=f"Sent to {event.provider}.",
        detail=detail,
        merges="Sent to {}.",
        provider=event.provider,
    )


def _asked(event: EventFacts) -> Entry:
    if event.why == "by_hand":
        return Entry(at=event.at, badge=PERSON, what=f"{event.who} asked {event.provider} again.")
    return Entry(at=event.at, badge=PERSON, what=f"{event.who} asked {event.provider} manually.")


def _withdrawn_alone(event: EventFacts) -> Entry:
    if event.is_stopped:
        detail = f"{event.provider} will hold the plan again after that."
        return Entry(at=event.at, badge=PERSON, what=stop_words(event), detail=detail)
    if event.actor:
        what = f"{event.who} withdrew {event.provider} only."
        return Entry(at=event.at, badge=PERSON, what=what)
    because = event.withdrawn_because
    return Entry(
        at=event.at,
        badge=TO_PROVIDER,
        what=f"The portal withdrew {event.provider}.",
        detail=f"{because}." if because else "",
    )


def stop_words(event: EventFacts) -> str:
    return f"{event.who} told {event.provider} to stop filtering."


def _refused(event: EventFacts) -> Entry:
    code, reason = str(event.data.get("code", "")), str(event.data.get("reason", ""))
    conflict = event.data.get("conflict")
    if event.data.get("is_conflict"):
        conflict = {"reason": reason}  # of an earlier release
    words = refusal_sentence(event.provider, code=code, reason=reason, conflict=conflict)
    what, badge = f"{event.provider} refused.", BADGES[DisplayStatus.REFUSED]
    if code == LOOP:
        what, badge = (
            f"The request did not reach {event.provider}.",
            BADGES[DisplayStatus.NOT_REACHED],
        )
    if code == NOT_SENDABLE:
        what, badge = (
            f"The portal could not send to {event.provider}.",
            BADGES[DisplayStatus.NOT_SENDABLE],
        )
    return Entry(at=event.at, badge=badge, what=what, detail=words)


def _efficacy(event: EventFacts) -> Entry:
    if not event.data.get("answered"):
        words = ATTACK_WORDS.get(str(event.data.get("attack_status")), "how it looks")
        return Entry(
            at=event.at,
            badge=PERSON,
            what=f"{event.who} told {event.provider}: {words}.",
            merges=f"{event.who} told {{}}: {words}.",
            provider=event.provider,
        )
    code, reason = str(event.data.get("code", "")), str(event.data.get("reason", ""))
    if code == NOT_SENDABLE:
        what = f"The portal could not send your answer to {event.provider}."
        return Entry(at=event.at, badge=BADGES[DisplayStatus.NOT_SENDABLE], what=what)
    what, detail = f"{event.provider} has not confirmed your answer.", ""
    if event.data.get("accepted"):
        what = f"{event.provider} received your answer."
    elif retry_at := event.data.get("retry_at"):
        again = when_dated(datetime.fromisoformat(str(retry_at)), event.at)
        what = f"{event.provider} asked the portal to retry later."
        detail = f"Retrying {again}."
    elif code:
        what = f"{event.provider} did not accept your answer."
        detail = refusal_sentence(event.provider, code=code, reason=reason)
    return Entry(at=event.at, badge=FROM_PROVIDER, what=what, detail=detail)


def _extended(event: EventFacts) -> Entry:
    seconds = int(event.data.get("lifetime", 0))
    until = "without an end" if seconds < 0 else f"for {lifetime(seconds)} from then"
    return Entry(at=event.at, badge=PERSON, what=f"{event.who} extended the request {until}.")


def _status(event: EventFacts) -> Entry | None:
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
    if status == Status.MITIGATING and event.asked_at is not None and not event.is_plan:
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


def _request_status(event: EventFacts) -> Entry | None:
    status = RequestStatus(str(event.data["status"]))
    words = {
        RequestStatus.FAILING: "No provider has confirmed help.",
        RequestStatus.EXPIRED: "The request ended: its lifetime ran out.",
    }.get(status)
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
        return f"The portal does not retry before {dated(at, event.at)}."
    return "The portal keeps trying." if still_tries(event) else ""


_ENTRIES: Final[dict[EventType, Callable[[EventFacts], Entry | None]]] = {
    EventType.REQUEST_SUBMITTED: _submitted,
    EventType.REQUEST_STATUS: _request_status,
    EventType.REQUEST_TERMINATE_REQUESTED: lambda event: Entry(
        at=event.at,
        badge=PERSON,
        what=terminate_words(event, "the request"),
        detail=f"{event.data['newer_name']} filters all of it."
        if event.data.get("newer_name")
        else "",
    ),
    EventType.REQUEST_EXTENDED: _extended,
    EventType.REQUEST_ACKNOWLEDGED: lambda event: Entry(
        at=event.at,
        badge=PERSON,
        what=(
            f"{event.who} acknowledged that {'filtering' if event.is_plan else 'mitigation'} ended."
        ),
    ),
    EventType.MITIGATION_ASKED: _asked,
    EventType.MITIGATION_WITHDRAW_REQUESTED: _withdrawn_alone,
    EventType.MITIGATION_SENT: _sent,
    EventType.MITIGATION_STATUS: _status,
    EventType.MITIGATION_REFUSED: _refused,
    EventType.MITIGATION_EFFICACY: _efficacy,
    EventType.DRILL_STARTED: lambda event: Entry(
        at=event.at, badge=PERSON, what=f"{event.who} started a drill."
    ),
    EventType.DRILL_ENDED: lambda event: Entry(
        at=event.at, badge=_drilled(event), what=drill_end(event)
    ),
    EventType.SESSION_UP: lambda event: Entry(
        at=event.at, badge=SESSION_BADGES["up"], what=f"{event.provider} is connected."
    ),
    EventType.SESSION_DOWN: lambda event: Entry(
        at=event.at, badge=SESSION_BADGES["down"], what=f"{event.provider} is unreachable."
    ),
}


def _drilled(event: EventFacts) -> Badge:
    return SESSION_BADGES["up" if event.data.get("passed") else "down"]


def drill_end(event: EventFacts) -> str:
    return "The drill passed." if event.data.get("passed") else "The drill failed."


def entry(event: EventFacts) -> Entry | None:
    """An event as text; None for what the page shows elsewhere."""
    if words := _ENTRIES.get(event.type):
        return words(event)
    change = change_of(event.type, event.data, who=event.who, provider=event.provider)
    if change is None:
        return None
    return Entry(at=event.at, badge=PERSON, what=change.what, detail=change.detail)


def merged(entries: list[Entry]) -> list[Entry]:
    """Merge neighbours that say the same about several providers within a second."""
    kept: list[Entry] = []
    names: list[str] = []
    for one in entries:
        last = kept[-1] if kept else None
        if (
            last
            and one.merges
            and last.merges == one.merges
            and abs((last.at - one.at).total_seconds()) <= 1
        ):
            # Newest first: the earlier of the two names comes first.
            names.insert(0, one.provider)
            kept[-1] = Entry(
                at=last.at,
                badge=last.badge,
                what=one.merges.format(listed(names)),
                merges=one.merges,
            )
        else:
            names = [one.provider]
            kept.append(one)
    return kept


def silence_entry(provider: str, overdue_at: datetime, patience_s: int, following: str) -> Entry:
    """The organization's waiting time is over: there was no message, so no event records it."""
    return Entry(
        at=overdue_at,
        badge=BADGES[DisplayStatus.NO_ANSWER],
        what=f"{provider} has not answered for {duration(patience_s)}.",
        detail=f"{following} is next in order." if following else "",
    )


def reports_entry(count: int, first: datetime, last: datetime) -> Entry:
    """A run of counter reports, folded."""
    reports = f"{plural(count, 'report')} of dropped traffic"
    when = f" since {dated(first, last, seconds=False)}" if count > 1 else ""
    return Entry(at=last, badge=FROM_PROVIDER, what=f"{reports}{when}.")
