"""Who did what: one entry per event, in the words of the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from portal.core.formatting import dated, duration, lifetime, listed, plural, when_dated
from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.mitigations.states import ACTIVE, LOOP, NOT_SENDABLE, RequestStatus, Status
from portal.wording.efficacy import ATTACK_WORDS
from portal.wording.facts import Look
from portal.wording.refusals import refusal_sentence
from portal.wording.table import LOOKS, REQUEST_LOOKS, SESSION_LOOKS, STATUS_FACES, Face

PERSON: Final = Look("", "person", "idle")
TO_PROVIDER: Final = Look("", "out", "idle")
FROM_PROVIDER: Final = Look("", "in", "idle")

UNSEEN_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, as sentences need it."""

    at: datetime
    type: EventType
    data: Mapping[str, Any]
    provider: str = ""
    "short name"
    actor: str = ""
    request: str = ""
    "the request's name"
    reason: str = ""
    "what the person wrote"
    because: str = ""
    asked_at: datetime | None = None
    is_ours: bool = False
    "the end was asked for by us"
    is_stopped: bool = False
    "a person had it stop filtering for a plan, which it holds again afterwards"
    kind: RequestKind = RequestKind.IMMEDIATE

    @property
    def is_plan(self) -> bool:
        return self.kind != RequestKind.IMMEDIATE

    @property
    def who(self) -> str:
        """Who acted: the person, or else the portal."""
        return self.actor or "The portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the timeline: who did what, and a detail below."""

    at: datetime
    look: Look
    what: str
    detail: str = ""
    merges: str = ""
    "entries of the same moment with the same words become one"
    provider: str = ""


def _submitted(told: Told) -> Entry:
    return Entry(at=told.at, look=PERSON, what=asked_words(told), detail=told.reason)


def asked_words(told: Told) -> str:
    if told.data.get("adopted"):
        return f"{told.who} adopted what was running already for {told.request}."
    match told.kind:
        case RequestKind.STANDBY:
            return f"{told.who} asked providers to hold the plan {told.request}."
        case RequestKind.DRILL:
            return f"{told.who} started a drill."
        case _:
            return f"{told.who} requested mitigation for {told.request}."


def terminate_words(told: Told, what: str) -> str:
    match told.kind:
        case RequestKind.STANDBY:
            return f"{told.who} turned off the plan {told.request}."
        case RequestKind.DRILL:
            return f"{told.who} ended the drill."
        case _:
            return f"{told.who} terminated {what}."


def _sent(told: Told) -> Entry:
    detail = f"{told.because[:1].upper()}{told.because[1:]}." if told.because else ""
    return Entry(
        at=told.at,
        look=TO_PROVIDER,
        what=f"Sent to {told.provider}.",
        detail=detail,
        merges="Sent to {}.",
        provider=told.provider,
    )


def _asked(told: Told) -> Entry:
    if told.data.get("why") == "by hand":
        return Entry(at=told.at, look=PERSON, what=f"{told.who} asked {told.provider} again.")
    return Entry(at=told.at, look=PERSON, what=f"{told.who} asked {told.provider} by hand.")


def _withdrawn_alone(told: Told) -> Entry:
    if told.is_stopped:
        detail = f"{told.provider} will hold the plan again after that."
        return Entry(at=told.at, look=PERSON, what=stop_words(told), detail=detail)
    if told.actor:
        what = f"{told.who} withdrew {told.provider} only."
        return Entry(at=told.at, look=PERSON, what=what)
    because = str(told.data.get("because", ""))
    return Entry(
        at=told.at,
        look=TO_PROVIDER,
        what=f"The portal withdrew {told.provider}.",
        detail=f"{because}." if because else "",
    )


def stop_words(told: Told) -> str:
    return f"{told.who} told {told.provider} to stop filtering."


def _refused(told: Told) -> Entry:
    code, reason = str(told.data.get("code", "")), str(told.data.get("reason", ""))
    conflict = {"reason": reason} if told.data.get("is_conflict") else None
    words = refusal_sentence(told.provider, code=code, reason=reason, conflict=conflict)
    what, look = f"{told.provider} refused.", LOOKS[Face.REFUSED]
    if code == LOOP:
        what, look = f"The request did not reach {told.provider}.", LOOKS[Face.NOT_REACHED]
    if code == NOT_SENDABLE:
        what, look = f"The portal could not send to {told.provider}.", LOOKS[Face.NOT_SENDABLE]
    return Entry(at=told.at, look=look, what=what, detail=words)


def _efficacy(told: Told) -> Entry:
    if not told.data.get("answered"):
        words = ATTACK_WORDS.get(str(told.data.get("attack_status")), "how it looks")
        return Entry(
            at=told.at,
            look=PERSON,
            what=f"{told.who} told {told.provider}: {words}.",
            merges=f"{told.who} told {{}}: {words}.",
            provider=told.provider,
        )
    code, reason = str(told.data.get("code", "")), str(told.data.get("reason", ""))
    if code == NOT_SENDABLE:
        what = f"The portal could not send your answer to {told.provider}."
        return Entry(at=told.at, look=LOOKS[Face.NOT_SENDABLE], what=what)
    what, detail = f"{told.provider} has not confirmed your answer.", ""
    if told.data.get("accepted"):
        what = f"{told.provider} received your answer."
    elif retry_at := told.data.get("retry_at"):
        again = when_dated(datetime.fromisoformat(str(retry_at)), told.at)
        what = f"{told.provider} asked the portal to wait."
        detail = f"The portal tells it {again}."
    elif code:
        what = f"{told.provider} did not take your answer."
        detail = refusal_sentence(told.provider, code=code, reason=reason)
    return Entry(at=told.at, look=FROM_PROVIDER, what=what, detail=detail)


def _extended(told: Told) -> Entry:
    seconds = int(told.data.get("lifetime", 0))
    until = "without an end" if seconds < 0 else f"for {lifetime(seconds)} from then"
    return Entry(at=told.at, look=PERSON, what=f"{told.who} extended the request {until}.")


def _status(told: Told) -> Entry | None:
    lets_go = told.is_plan and not told.is_stopped
    if told.data.get("told"):
        return Entry(
            at=told.at,
            look=LOOKS[Face.TOLD],
            what=f"{told.provider} was told to let go of the plan."
            if lets_go
            else f"{told.provider} was told to stop and is winding down.",
            detail="" if lets_go else "It may filter a little longer, to avoid a second wave.",
        )
    if told.data.get("retry_at"):
        retry_at = datetime.fromisoformat(str(told.data["retry_at"]))
        return Entry(
            at=told.at,
            look=FROM_PROVIDER,
            what=f"{told.provider} asked the portal to wait.",
            detail=f"The portal asks again {when_dated(retry_at, told.at)}.",
        )
    if told.data.get("why") == "unsaved":
        what = f"The portal could not save {told.provider}’s answer."
        detail = "The status shown is older. The portal’s log says why."
        return Entry(at=told.at, look=LOOKS[Face.NOT_SAVED], what=what, detail=detail)
    if "unknown" in told.data:
        number = told.data["unknown"]
        what = f"{told.provider} reports status {number}, which the portal does not know."
        return Entry(at=told.at, look=FROM_PROVIDER, what=what)
    status = Status(str(told.data["status"]))
    why = str(told.data.get("why"))
    if why == "still held":
        tries = told.data.get("tries")
        detail = "The portal told it again, with a lifetime of one second."
        if tries:
            detail = f"The portal has tried {tries} times. Call {told.provider} and ask for the plan to be removed."
        what = f"{told.provider} confirmed the withdrawal, and still holds the plan."
        return Entry(at=told.at, look=LOOKS[Face.STILL_HELD], what=what, detail=detail)
    words, detail = _WHY_WORDS.get(why, (_STATUS_WORDS.get(status), ""))
    if told.is_plan and not (told.is_stopped and status == Status.TERMINATED):
        words, detail = _PLAN_WHY_WORDS.get(why, (_PLAN_STATUS_WORDS.get(status, words), detail))
    if told.is_plan and status == Status.STANDBY and told.data.get("previous") in ACTIVE:
        words = "{provider} stopped filtering and holds the plan again."
    if words is None or (status == Status.TERMINATING and told.is_ours):
        return None
    return Entry(
        at=told.at,
        look=LOOKS[STATUS_FACES[status]],
        what=words.format(provider=told.provider),
        detail=detail or _status_detail(status, told),
    )


_WHY_WORDS: Final = {
    # what happened, where the status alone does not tell it
    "turn": ("The portal asks {provider} again.", "Nobody helps yet."),
    "unsent": ("Nothing had been sent to {provider}.", ""),
    "lifetime over": ("The lifetime at {provider} ran out.", ""),
    "mid in use": (
        "{provider} holds another mitigation under this number.",
        "The portal took a higher number and sent again.",
    ),
    "mid in doubt": (
        "{provider} may hold another mitigation under this number.",
        "The portal takes a higher number for the next try.",
    ),
    "identity": (
        "Another client uses the same identity at {provider}.",
        "The portal made a new one and sends again.",
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
    Status.WITHDRAWN: "{provider} stopped by itself.",
    Status.TERMINATING: "{provider} is winding down.",
    Status.TERMINATED: "{provider} confirmed that it stopped.",
    Status.EXPIRED: "The lifetime at {provider} ran out.",
}


_PLAN_WHY_WORDS: Final = {
    "turn": ("The portal asks {provider} again.", "It does not hold the plan."),
    "lifetime over": ("The lifetime at {provider} ran out.", ""),
    "superseded": ("{provider} replaced this by the newer version of the plan.", ""),
}
_PLAN_STATUS_WORDS: Final = {
    Status.PENDING: "{provider} no longer holds the plan.",
    Status.IN_PROGRESS: "{provider} activated the plan by itself and is setting up.",
    Status.WITHDRAWN: "{provider} put the plan aside.",
    Status.TERMINATING: "{provider} is letting go of the plan.",
    Status.TERMINATED: "{provider} confirmed that it no longer holds the plan.",
}


def _status_detail(status: Status, told: Told) -> str:
    if status == Status.PENDING:
        return "The portal asks again."
    if told.is_plan and status in (Status.IN_PROGRESS, Status.MITIGATING):
        return _began_before(told)
    if status in (Status.IN_PROGRESS, Status.STANDBY) and "lifetime" in told.data:
        granted = int(told.data["lifetime"])
        return "Granted without an end." if granted < 0 else f"Granted {lifetime(granted)}."
    if status == Status.MITIGATING and told.asked_at is not None and not told.is_plan:
        return f"{duration((told.at - told.asked_at).total_seconds())} after the request."
    return ""


def _began_before(told: Told) -> str:
    """What happened while nobody could tell the portal."""
    start = told.data.get("mitigation_start")
    began = datetime.fromisoformat(str(start)) if start else told.at
    if told.at - began < UNSEEN_AFTER:
        return ""
    return (
        f"It had activated the plan {when_dated(began, told.at)}; the portal heard of it only now."
    )


def _request_status(told: Told) -> Entry | None:
    status = RequestStatus(str(told.data["status"]))
    words = {
        RequestStatus.FAILING: "No provider has confirmed help.",
        RequestStatus.EXPIRED: "The request ended: its lifetime ran out.",
    }.get(status)
    if words is None or told.kind == RequestKind.DRILL:
        return None
    if told.is_plan and status == RequestStatus.FAILING:
        words = "No provider holds the plan."
    detail = _next_try(told) if status == RequestStatus.FAILING else ""
    return Entry(at=told.at, look=REQUEST_LOOKS[status], what=words, detail=detail)


def still_tries(told: Told) -> bool:
    """Whether a request that failed is retried within minutes."""
    return not told.data.get("waits") and not told.data.get("next_try_at")


def _next_try(told: Told) -> str:
    if told.data.get("next_try_at"):
        at = datetime.fromisoformat(str(told.data["next_try_at"]))
        return f"The portal asks no provider again before {dated(at, told.at)}."
    return "The portal keeps trying." if still_tries(told) else ""


_ENTRIES: Final[dict[EventType, Callable[[Told], Entry | None]]] = {
    EventType.REQUEST_SUBMITTED: _submitted,
    EventType.REQUEST_STATUS: _request_status,
    EventType.REQUEST_TERMINATE_REQUESTED: lambda told: Entry(
        at=told.at,
        look=PERSON,
        what=terminate_words(told, "the request"),
        detail=f"{told.data['newer_name']} filters all of it."
        if told.data.get("newer_name")
        else "",
    ),
    EventType.REQUEST_EXTENDED: _extended,
    EventType.REQUEST_ACKNOWLEDGED: lambda told: Entry(
        at=told.at,
        look=PERSON,
        what=f"{told.who} acknowledged {'that filtering had ended' if told.is_plan else 'the end'}.",
    ),
    EventType.MITIGATION_ASKED: _asked,
    EventType.MITIGATION_WITHDRAW_REQUESTED: _withdrawn_alone,
    EventType.MITIGATION_SENT: _sent,
    EventType.MITIGATION_STATUS: _status,
    EventType.MITIGATION_REFUSED: _refused,
    EventType.MITIGATION_EFFICACY: _efficacy,
    EventType.DRILL_STARTED: lambda told: Entry(
        at=told.at, look=PERSON, what=f"{told.who} started a drill."
    ),
    EventType.DRILL_ENDED: lambda told: Entry(
        at=told.at, look=_drilled(told), what=drill_end(told)
    ),
    EventType.SESSION_UP: lambda told: Entry(
        at=told.at, look=SESSION_LOOKS["up"], what=f"{told.provider} is connected."
    ),
    EventType.SESSION_DOWN: lambda told: Entry(
        at=told.at, look=SESSION_LOOKS["down"], what=f"{told.provider} is unreachable."
    ),
}


def _drilled(told: Told) -> Look:
    return SESSION_LOOKS["up" if told.data.get("passed") else "down"]


def drill_end(told: Told) -> str:
    return "The drill passed." if told.data.get("passed") else "The drill failed."


def entry(told: Told) -> Entry | None:
    """An event in words; None for what the page shows elsewhere."""
    words = _ENTRIES.get(told.type)
    return words(told) if words else None


def merged(entries: list[Entry]) -> list[Entry]:
    """Neighbours that say the same of several providers within a second become one."""
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
            # Newest first: the earlier of the two names goes in front.
            names.insert(0, one.provider)
            kept[-1] = Entry(
                at=last.at, look=last.look, what=one.merges.format(listed(names)), merges=one.merges
            )
        else:
            names = [one.provider]
            kept.append(one)
    return kept


def silence_entry(provider: str, overdue_at: datetime, patience_s: int, following: str) -> Entry:
    """Patience ran out: nobody sent anything, so no event says it."""
    return Entry(
        at=overdue_at,
        look=LOOKS[Face.NO_ANSWER],
        what=f"{provider} has not answered for {duration(patience_s)}.",
        detail=f"{following} is next in order." if following else "",
    )


def reports_entry(count: int, first: datetime, last: datetime) -> Entry:
    """A run of counter reports, folded."""
    reports = f"{plural(count, 'report')} of dropped traffic"
    when = f" since {dated(first, last, seconds=False)}" if count > 1 else ""
    return Entry(at=last, look=FROM_PROVIDER, what=f"{reports}{when}.")
