"""The timeline: one entry per event, with the terms of the pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from portal.core.formatting import dated, duration, lifetime, listed, plural, when_dated
from portal.core.json_value import UnreadableValueError, read_json
from portal.events.models import EventType
from portal.mitigations.models import ProviderConflict, RequestKind
from portal.mitigations.states import LOOP, NOT_SENDABLE
from portal.wording.badges import (
    BADGES,
    SESSION_BADGES,
    DisplayStatus,
)
from portal.wording.efficacy import ATTACK_WORDS
from portal.wording.facts import Badge
from portal.wording.organization_changes import change_of
from portal.wording.refusals import refusal_sentence
from portal.wording.timeline_entry import FROM_PROVIDER, PERSON, TO_PROVIDER, Entry, EventFacts
from portal.wording.timeline_status import mitigation_status_entry, request_status_entry


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
    conflict = _conflict(event.data.get("conflict"))
    if event.data.get("is_conflict"):
        conflict = ProviderConflict(reason=reason)  # of an earlier release
    words = refusal_sentence(event.provider, code=code, reason=reason, conflict=conflict)
    what, badge = f"{event.provider} refused.", BADGES[DisplayStatus.REFUSED]
    if code == LOOP:
        what, badge = (
            f"The request did not reach {event.provider}.",
            BADGES[DisplayStatus.LOOPED],
        )
    if code == NOT_SENDABLE:
        what, badge = (
            f"The portal could not send to {event.provider}.",
            BADGES[DisplayStatus.NOT_SENDABLE],
        )
    return Entry(at=event.at, badge=badge, what=what, detail=words)


def _conflict(data: object) -> ProviderConflict | None:
    """None also for what no release wrote: an entry without a reason is better than no timeline."""
    with suppress(UnreadableValueError):
        return None if data is None else read_json(data, ProviderConflict)
    return None


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


_ENTRIES: Final[dict[EventType, Callable[[EventFacts], Entry | None]]] = {
    EventType.REQUEST_SUBMITTED: _submitted,
    EventType.REQUEST_STATUS: request_status_entry,
    EventType.REQUEST_TERMINATE_REQUESTED: lambda event: Entry(
        at=event.at,
        badge=PERSON,
        what=terminate_words(event, "the request"),
        detail=f"{event.data['newer_name']} filters all of it."
        if event.data.get("newer_name")
        else "",
    ),
    EventType.REQUEST_EXTENDED: _extended,
    EventType.REQUEST_APPROVED: lambda event: Entry(
        at=event.at, badge=PERSON, what=f"{event.who} approved the request."
    ),
    EventType.REQUEST_DECLINED: lambda event: Entry(
        at=event.at,
        badge=PERSON,
        what=f"{event.who} declined the request. Nothing was sent.",
        detail=event.data.get("reason", ""),
    ),
    EventType.REQUEST_BREAK_GLASS: lambda event: Entry(
        at=event.at,
        badge=PERSON,
        what=f"{event.who} sent the request without approval.",
        detail=event.data.get("reason", ""),
    ),
    EventType.REQUEST_NOTE: lambda event: Entry(
        at=event.at,
        badge=PERSON if event.is_by_person else TO_PROVIDER,
        what=f"{event.who} wrote a note.",
        detail=event.data.get("text", ""),
    ),
    EventType.REQUEST_TAKEN_OVER: lambda event: Entry(
        at=event.at, badge=PERSON, what=taken_over_words(event, "the request")
    ),
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
    EventType.MITIGATION_STATUS: mitigation_status_entry,
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


def taken_over_words(event: EventFacts, what: str) -> str:
    changed = event.data.get("changed")
    before = changed["responsible"]["from"] if changed else ""
    return f"{event.who} took over {what}{f' from {before}' if before else ''}."


def _drilled(event: EventFacts) -> Badge:
    return SESSION_BADGES["up" if event.data.get("passed") else "down"]


def drill_end(event: EventFacts) -> str:
    return "The drill passed." if event.data.get("passed") else "The drill failed."


def entry(event: EventFacts) -> Entry | None:
    """An event as text; None for what the page shows elsewhere."""
    if words := _ENTRIES.get(event.type):
        return _with_acting_reason(words(event), event)
    change = change_of(event.type, event.data, who=event.who, provider=event.provider)
    if change is None:
        return None
    made = Entry(at=event.at, badge=PERSON, what=change.what, detail=change.detail)
    return _with_acting_reason(made, event)


def _with_acting_reason(made: Entry | None, event: EventFacts) -> Entry | None:
    reason = event.data.get("acting_reason")
    if made is None or not reason:
        return made
    return replace(made, detail=f"{made.detail} Staff act because: {reason}".lstrip())


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
