"""The one sentence a request opens with: worst mitigation first, counted only when all agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from portal.core.formatting import NBSP, ago, listed, moment, when
from portal.mitigations.models import EndedBy
from portal.mitigations.states import RequestStatus, Status
from portal.wording import plans, replaced
from portal.wording.facts import Asked, Look, MitigationFacts
from portal.wording.table import (
    FILTERING,
    LOOKS,
    REQUEST_LOOKS,
    STOPPING,
    Face,
    face,
    is_soon,
    is_stale,
    next_try,
)

_BAD_FIRST: Final = (
    Face.REFUSED, Face.NOT_REACHED, Face.NOT_SENDABLE, Face.WITHDRAWN, Face.EXCEEDED, Face.NO_ANSWER,
    Face.NOT_SAVED, Face.EXPIRED, Face.NOT_TOLD, Face.STILL_HELD,
)  # fmt: skip
_THEN: Final = (
    # A provider that asked the portal to wait is no bad news where another one helps.
    Face.MITIGATING, Face.ATTACK_STOPPED, Face.ACCEPTED, Face.PUT_OFF, Face.STANDBY, Face.REQUESTED,
    Face.NOT_SENT, Face.TOLD, Face.TERMINATED,
)  # fmt: skip
_WORST_FIRST: Final = (*_BAD_FIRST, *_THEN)

_CLAUSES: Final = {
    # what one provider does, what several do
    Face.REFUSED: ("refused", "refused"),
    Face.NOT_REACHED: ("was not reached", "were not reached"),
    Face.NOT_SENDABLE: ("could not be asked", "could not be asked"),
    Face.NOT_SAVED: (
        "answered, and the portal could not save it",
        "answered, and the portal could not save it",
    ),
    Face.WITHDRAWN: ("stopped by itself", "stopped by themselves"),
    Face.EXCEEDED: ("is over capacity", "are over capacity"),
    Face.NO_ANSWER: ("does not answer", "do not answer"),
    Face.PUT_OFF: ("asked the portal to wait", "asked the portal to wait"),
    Face.EXPIRED: ("was not renewed", "were not renewed"),
    Face.NOT_TOLD: ("cannot be told yet", "cannot be told yet"),
    Face.STILL_HELD: ("still holds the plan", "still hold the plan"),
    Face.MITIGATING: ("reports it is filtering", "report they are filtering"),
    Face.ATTACK_STOPPED: ("reports the attack has stopped", "report the attack has stopped"),
    Face.ACCEPTED: ("accepted and is setting up", "accepted and are setting up"),
    Face.STANDBY: ("holds the plan", "hold the plan"),
    Face.REQUESTED: ("has not answered yet", "have not answered yet"),
    Face.NOT_SENT: ("has not been asked yet", "have not been asked yet"),
    Face.TOLD: ("is winding down", "are winding down"),
    Face.TERMINATED: ("stopped", "stopped"),
}


def faces(
    mitigations: Iterable[MitigationFacts], now: datetime
) -> dict[Face, list[MitigationFacts]]:
    """The mitigations by face, worst first."""
    order = {display: rank for rank, display in enumerate(_WORST_FIRST)}
    ranked = sorted(
        (
            (face(mitigation, now), mitigation)
            for mitigation in mitigations
            if mitigation.status is not None
        ),
        key=lambda pair: order[pair[0]],
    )
    return {
        display: [mitigation for _, mitigation in group]
        for display, group in groupby(ranked, key=lambda pair: pair[0])
    }


def everyone(count: int) -> str:
    """The subject when all providers asked agree and there are several."""
    return "both providers" if count == 2 else f"all {count}{NBSP}providers"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _verb(display: Face, mitigations: Sequence[MitigationFacts], now: datetime) -> str:
    is_plan = mitigations[0].is_plan
    clauses = plans.CLAUSES.get(display, _CLAUSES[display]) if is_plan else _CLAUSES[display]
    if all(mitigation.is_held_again for mitigation in mitigations):
        clauses = plans.STOPPING.get(display, clauses)
    words = clauses[len(mitigations) > 1]
    if display == Face.WITHDRAWN and mitigations[0].is_replaced:
        newer = "the newer version of the plan" if is_plan else "your newer request"
        return f"{'hold' if len(mitigations) > 1 else 'holds'} {newer} instead"
    if display == Face.STANDBY and all(
        plans.has_lost_contact(mitigation, now) for mitigation in mitigations
    ):
        return plans.HELD_BEFORE
    if all(is_stale(mitigation, now) for mitigation in mitigations):
        # Old words look old: what was reported, not what is reported.
        words = re.sub(r"^reports? ", "last reported ", words)
        words = re.sub(r"^is over", "last reported it is over", words)
        words = re.sub(r"^are over", "last reported they are over", words)
        return words.replace("is setting", "was setting").replace("are setting", "were setting")
    return words


def _subject(mitigations: Sequence[MitigationFacts], *, of: int) -> str:
    if len(mitigations) == of and of > 1:
        return _capital(everyone(of))
    return listed([mitigation.short for mitigation in mitigations])


def _alike(
    display: Face, mitigations: Sequence[MitigationFacts], now: datetime
) -> list[list[MitigationFacts]]:
    """The providers that share one verb."""
    if display == Face.STANDBY:
        return plans.lost_first(mitigations, now)
    if display == Face.WITHDRAWN:
        replaced_mitigations = [mitigation for mitigation in mitigations if mitigation.is_replaced]
        others = [mitigation for mitigation in mitigations if not mitigation.is_replaced]
        return [group for group in (others, replaced_mitigations) if group]
    return _silent_last(mitigations, now)


def _silent_last(
    mitigations: Sequence[MitigationFacts], now: datetime
) -> list[list[MitigationFacts]]:
    """Providers with a fresh report, and those with an old one: the two need different verbs."""
    stale = [mitigation for mitigation in mitigations if is_stale(mitigation, now)]
    return [
        group
        for group in ([mitigation for mitigation in mitigations if mitigation not in stale], stale)
        if group
    ]


def _clauses(asked: Asked, now: datetime) -> str:
    """Worst mitigation first; counted only when all agree. Who stops and holds the plan again goes before who holds it."""
    total = len(asked.asked)
    groups = [
        (display, mitigations)
        for display, group in faces(asked.mitigations, now).items()
        for mitigations in _alike(display, group, now)
    ]
    groups.sort(key=lambda group: not any(mitigation.is_held_again for mitigation in group[1]))
    parts = [
        f"{_subject(mitigations, of=total)} {_verb(display, mitigations, now)}"
        for display, mitigations in groups
    ]
    return "; ".join(parts) + "."


def _requesting(asked: Asked, now: datetime) -> str:
    groups = faces(asked.mitigations, now)
    if set(groups) == {Face.NOT_SENT}:
        return "Nothing has been sent yet."
    if asked.is_plan:
        return "No provider holds the plan yet."
    if set(groups) <= {Face.REQUESTED, Face.NOT_SENT} and not any(
        mitigation.because for mitigation in groups[Face.REQUESTED]
    ):
        waiting = groups[Face.REQUESTED]
        first = min(mitigation.sent_at for mitigation in waiting if mitigation.sent_at is not None)
        subject = _subject(waiting, of=len(asked.asked))
        if subject.endswith("providers"):
            subject = subject[:1].lower() + subject[1:]
        return f"Sent to {subject} {ago(first, now)}."
    return "No provider has confirmed yet."


def _mitigating(asked: Asked, now: datetime) -> str:
    exceeded = over_capacity(asked, now)
    if exceeded and is_stale(exceeded[0], now):
        it = "it" if len(exceeded) == 1 else "they"
        return f"{listed([mitigation.short for mitigation in exceeded])} last reported that {it} cannot stop all of the attack on {asked.name}."
    if exceeded:
        return f"{listed([mitigation.short for mitigation in exceeded])} cannot stop all of the attack on {asked.name}."
    return _clauses(asked, now)


def over_capacity(asked: Asked, now: datetime) -> list[MitigationFacts]:
    """The providers that report it now, or, if all are silent, those that reported it last."""
    groups = _silent_last(faces(asked.mitigations, now).get(Face.EXCEEDED, []), now)
    return groups[0] if groups else []


def _attack_stopped(asked: Asked, now: datetime) -> str:
    groups = faces(asked.mitigations, now)
    filtering = [mitigation for display in FILTERING for mitigation in groups.get(display, [])]
    is_known = any(not is_stale(mitigation, now) for mitigation in filtering)
    still_on = "Filtering is still on." if is_known else "Filtering was still on then."
    mitigations = groups.get(Face.ATTACK_STOPPED, [])
    if len(groups) == 1 and len(_silent_last(mitigations, now)) == 1:
        verb = _verb(Face.ATTACK_STOPPED, mitigations, now).removesuffix(" the attack has stopped")
        who = f"{'Providers' if len(mitigations) > 1 else mitigations[0].short} {verb}"
        if asked.is_plan:
            return f"{who} the attack has stopped."
        return f"{who} the attack has stopped. {still_on}"
    if asked.is_plan:
        return _clauses(asked, now)
    return f"{_clauses(asked, now)} {still_on}"


def _terminating(asked: Asked, now: datetime) -> str:
    groups = faces(asked.mitigations, now)
    untold = groups.get(Face.NOT_TOLD, [])
    unreachable = [mitigation for mitigation in untold if mitigation.session.state != "up"]
    if unreachable:
        return f"{listed([mitigation.short for mitigation in unreachable])} cannot be told yet."
    if kept := groups.get(Face.STILL_HELD, []):
        verb, them = ("holds", "it") if len(kept) == 1 else ("hold", "they")
        who = listed([mitigation.short for mitigation in kept])
        return f"{who} still {verb} the plan, though {them} confirmed the withdrawal."
    if any(mitigation.is_held_again for mitigation in asked.asked):
        return _clauses(asked, now)
    what = "let go of the plan" if asked.is_plan else "stop"
    if untold:
        return f"Telling {_object(untold)} to {what}."
    told = [
        mitigation
        for mitigation in asked.asked
        if mitigation.withdrawal_asked_at is not None and mitigation.sent_at
    ]
    if not told:
        winding_down = groups.get(Face.TOLD, [])
        if not winding_down:
            return _clauses(asked, now)
        are = "is" if len(winding_down) == 1 else "are"
        return f"{listed([mitigation.short for mitigation in winding_down])} {are} winding down."
    confirmed = [mitigation for mitigation in told if face(mitigation, now) == Face.TERMINATED]
    headline = f"Told {_object(told)} to {what}."
    if not confirmed:
        return headline
    has = "have" if len(confirmed) > 1 else "has"
    return f"{headline} {listed([mitigation.short for mitigation in confirmed])} {has} confirmed."


def _object(mitigations: Sequence[MitigationFacts]) -> str:
    return mitigations[0].short if len(mitigations) == 1 else everyone(len(mitigations))


def _terminated(asked: Asked, now: datetime) -> str:
    groups = faces(asked.mitigations, now)
    confirmed = [
        mitigation
        for mitigation in groups.get(Face.TERMINATED, [])
        if mitigation.sent_at is not None
    ]
    sent = [mitigation for mitigation in asked.asked if mitigation.sent_at is not None]
    if asked.ended_by == EndedBy.PROVIDER:
        return _ended_by_providers(asked)
    if asked.ended_by == EndedBy.LIFETIME:
        return _expired(asked, now)
    if asked.is_plan:
        return plans.terminated(confirmed, sent, _capital(everyone(len(confirmed))))
    if not sent:
        return "Terminated. Nothing had been sent."
    if not confirmed and any(mitigation.is_replaced for mitigation in sent):
        return replaced.headline(sent)
    if not confirmed:
        return "Terminated. No provider was filtering."
    if len(confirmed) == len(sent) and len(confirmed) > 1:
        return f"Terminated. {_capital(everyone(len(confirmed)))} confirmed."
    return f"Terminated. {listed([mitigation.short for mitigation in confirmed])} confirmed."


def _ended_by_providers(asked: Asked) -> str:
    wanted = [mitigation for mitigation in asked.asked if mitigation.withdrawal_asked_at is None]
    # A provider that never held it did not end it.
    mitigations = (
        [mitigation for mitigation in wanted if mitigation.confirmed_at is not None]
        or wanted
        or list(asked.asked)
    )
    names = listed([mitigation.short for mitigation in mitigations])
    what = "let go of the plan" if asked.is_plan else "ended this"
    return f"{names} {what} by {'itself' if len(mitigations) == 1 else 'themselves'}: nobody here asked for that."


def _expired(asked: Asked, now: datetime) -> str:
    at = when(asked.ended_at or asked.ends_at, now, seconds=False)
    then = "Nobody holds the plan any more" if asked.is_plan else "Nothing is asked any more"
    return f"The lifetime ran out{f' {at}' if at else ''}. {then}."


def _declined(asked: Asked, _now: datetime) -> str:
    because = f": {asked.declined_because.rstrip('.')}" if asked.declined_because else ""
    return f"{asked.declined_by or 'An approver'} declined this{because}. Nothing was sent."


def _failing(asked: Asked, now: datetime) -> str:
    what = "holds the plan" if asked.is_plan else "has confirmed help"
    at = next_try(asked.asked, now)
    if is_soon(at, now):
        return f"No provider {what}. Still trying."
    return f"No provider {what}.{f' The portal asks no provider again before {moment(at, now)}.' if at else ''}"


_HEADLINES: Final[dict[RequestStatus, Callable[[Asked, datetime], str]]] = {
    RequestStatus.AWAITING_APPROVAL: lambda _asked, _now: (
        "Nothing has been sent. Waiting for approval."
    ),
    RequestStatus.REQUESTING: _requesting,
    RequestStatus.IN_PROGRESS: _clauses,
    RequestStatus.MITIGATING: _mitigating,
    RequestStatus.ATTACK_STOPPED: _attack_stopped,
    RequestStatus.STANDBY: _clauses,
    RequestStatus.FAILING: _failing,
    RequestStatus.TERMINATING: _terminating,
    RequestStatus.TERMINATED: _terminated,
    RequestStatus.EXPIRED: _expired,
    RequestStatus.DECLINED: _declined,
}


def headline(asked: Asked, now: datetime) -> str:
    """The one true sentence a page opens with."""
    return _HEADLINES[asked.status](asked, now)


def look(asked: Asked, now: datetime) -> Look:
    """The chip of a request."""
    if asked.status == RequestStatus.MITIGATING and Face.EXCEEDED in faces(asked.mitigations, now):
        return LOOKS[Face.EXCEEDED]
    if asked.status == RequestStatus.TERMINATING and any(
        mitigation.is_held_again for mitigation in asked.asked
    ):
        return STOPPING
    if is_replaced(asked):
        return replaced.look(asked.asked)
    if asked.status == RequestStatus.TERMINATED and asked.ended_by in _ENDED_LOOKS:
        return _ENDED_LOOKS[asked.ended_by]
    return REQUEST_LOOKS[asked.status]


_ENDED_LOOKS: Final[dict[str, Look]] = {
    # ends that no one here asked for, whatever reason the providers gave
    EndedBy.LIFETIME: REQUEST_LOOKS[RequestStatus.EXPIRED],
    EndedBy.PROVIDER: LOOKS[Face.WITHDRAWN],
}


def is_replaced(asked: Asked) -> bool:
    """Over because newer requests replaced it; no person terminated it and no provider confirmed an end."""
    if asked.status != RequestStatus.TERMINATED or asked.is_plan:
        return False
    is_ended = any(
        mitigation.status == Status.TERMINATED and mitigation.sent_at for mitigation in asked.asked
    )
    return any(mitigation.is_replaced for mitigation in asked.asked) and not is_ended


def mark(asked: Asked, now: datetime) -> Look:
    """The large shape beside the headline: as the chip, but an unanswered request warns."""
    by_face = faces(asked.mitigations, now)
    if asked.status == RequestStatus.REQUESTING and set(by_face) & {*_BAD_FIRST, Face.PUT_OFF}:
        return LOOKS[Face.NO_ANSWER]
    if asked.status == RequestStatus.TERMINATING and unreachable(by_face.get(Face.NOT_TOLD, [])):
        return LOOKS[Face.NO_ANSWER]
    if asked.status == RequestStatus.TERMINATING and Face.STILL_HELD in by_face:
        return LOOKS[Face.STILL_HELD]
    return look(asked, now)


def unreachable(mitigations: Iterable[MitigationFacts]) -> list[MitigationFacts]:
    return [mitigation for mitigation in mitigations if mitigation.session.state != "up"]
