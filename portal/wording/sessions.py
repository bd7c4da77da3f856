"""The sentences of a connection to a provider, and of the Now page's first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, auto
from typing import Final

from portal.core.formatting import ago, duration, listed, plural, since
from portal.mitigations.states import REQUEST_TERMINAL, STALE_AFTER, RequestStatus
from portal.wording.badges import (
    ANSWERS_LOST,
    BADGES,
    SESSION_BADGES,
    DisplayStatus,
    display_status,
    headline_badge,
    is_stopping,
    request_badge,
)
from portal.wording.facts import Badge, MitigationFacts, RequestFacts, Session
from portal.wording.headlines import everyone, headline
from portal.wording.next_step import next_step
from portal.wording.summaries import summary


def session_badge(session: Session, now: datetime) -> Badge:
    return ANSWERS_LOST if _answers_lost(session, now) else SESSION_BADGES[session.state]


def _answers_lost(session: Session, now: datetime) -> bool:
    if session.state != "up" or session.last_heard_at is None:
        return False
    return now - session.last_heard_at > STALE_AFTER


def session_sentence(session: Session, now: datetime, *, provider: str = "") -> str:
    """`provider`: the peer of the connection, named if a gateway or relay stands between."""
    return f"{_path(session, provider)}{_session_sentence(session, now)}"


def path_sentence(session: Session, provider: str) -> str:
    """The gateways and relays on the path of a request; empty if there are none."""
    if session.gateway:
        return f"Goes through gateway {session.gateway}, which connects to {provider}."
    if session.relay:
        return f"Goes through relay {session.relay}, which passes it on to {provider} unread."
    return ""


def _path(session: Session, provider: str) -> str:
    """The peer of the connection, which says nothing about a provider behind a gateway."""
    if session.gateway:
        whose = {"up": "Connected to gateway", "connecting": "Connecting to gateway"}
        doing = whose.get(session.state, "Through gateway")
        return f"{doing} {session.gateway}, which connects to {provider or 'the provider'}. "
    if session.relay:
        return f"Passed on by relay {session.relay}. "
    return ""


def _session_sentence(session: Session, now: datetime) -> str:
    if _answers_lost(session, now) and session.last_heard_at is not None:
        silent = duration((now - session.last_heard_at).total_seconds())
        return f"Requests still go out. Nothing heard for {silent}; usual when the link is full."
    from_when = since(session.since, now)
    match session.state:
        case "up":
            heard = (
                f" Last heard {ago(session.last_heard_at, now)}." if session.last_heard_at else ""
            )
            return f"Since {from_when}.{heard}" if from_when else f"Connected.{heard}"
        case "connecting":
            why = f": {session.detail.rstrip('.')}" if session.detail else ""
            return f"Trying{f' since {from_when}' if from_when else ''}{why}."
        case _:
            reason = f": {session.detail.rstrip('.')}" if session.detail else ""
            return f"Unreachable{f' since {from_when}' if from_when else ''}{reason}."


@dataclass(frozen=True, slots=True)
class Say:
    """What a page opens with."""

    badge: Badge
    headline: str
    summary: str
    call: str = ""
    "the number to call if that is the next step"


def request_says(request: RequestFacts, now: datetime) -> Say:
    return Say(headline_badge(request, now), headline(request, now), summary(request, now))


def calm_says(providers: Sequence[tuple[str, Session]], *, emergency_phone: str = "") -> Say:
    """Whether providers are reachable while nothing is live."""
    if not providers:
        call = " Under attack now, call the number below." if emergency_phone else ""
        return Say(
            BADGES[DisplayStatus.NO_ANSWER],
            "Not ready: there is no provider to ask.",
            f"An admin connects one under Settings.{call}",
            call=emergency_phone,
        )
    up = [name for name, session in providers if session.state == "up"]
    lost = [name for name, session in providers if session.state != "up"]
    if not up:
        return Say(
            BADGES[DisplayStatus.NO_ANSWER],
            "Not ready: no provider is connected.",
            (
                "Nothing is being mitigated. The portal keeps trying to connect; a request you "
                "send now waits for that."
            ),
        )
    if lost:
        are = "is" if len(lost) == 1 else "are"
        return Say(
            BADGES[DisplayStatus.NO_ANSWER],
            f"Nothing is being mitigated. {listed(lost)} {are} not connected.",
            f"{listed(up)} {'is' if len(up) == 1 else 'are'} connected and can be asked.",
        )
    who = f"{up[0]} is" if len(up) == 1 else f"{everyone(len(up)).capitalize()} are"
    return Say(
        SESSION_BADGES["up"],
        "Ready. Nothing is being mitigated.",
        " ".join([f"{who} connected.", *_through_gateways(providers)]),
    )


def _through_gateways(providers: Sequence[tuple[str, Session]]) -> list[str]:
    return [
        f"The connection for {name} ends at gateway {session.gateway}."
        for name, session in providers
        if session.gateway
    ]


def attack_says(live: Sequence[RequestFacts], now: datetime) -> Say:
    """The sentence of the worst live request, and a mention of the others; `live` is
    worst first.
    """
    worst, *others = live
    first = request_says(worst, now)
    sentence = first.headline
    if others and worst.name not in sentence:
        sentence = f"{worst.name}: {sentence}"
    return Say(
        first.badge,
        sentence,
        " ".join(part for part in (first.summary, _others(others, now)) if part),
    )


def _others(others: Sequence[RequestFacts], now: datetime) -> str:
    if not others:
        return ""
    word = request_badge(others[0], now).word.lower()
    are = others[0].status not in _NO_ADJECTIVES
    if len(others) == 1:
        name = f"Your other live request, {others[0].name}, is" if are else f"{others[0].name}:"
        return f"{name} {word}{_at(others[0], now)}."
    if len({request_badge(other, now) for other in others}) == 1:
        return f"{plural(len(others), 'other request')}{' are' if are else ':'} {word}."
    return f"{plural(len(others), 'other request')} are live."


_NO_ADJECTIVES: Final = (RequestStatus.ATTACK_STOPPED, RequestStatus.STANDBY)
"""Statuses whose labels cannot follow "the request is"."""


def _at(request: RequestFacts, now: datetime) -> str:
    """The provider that the label is about, if all that were asked agree."""
    shared = {display_status(mitigation, now) for mitigation in request.started}
    if shared != {DisplayStatus.MITIGATING}:
        return ""
    names: list[MitigationFacts] = list(request.started)
    return f" at {names[0].short if len(names) == 1 else everyone(len(names))}"


class Rank(IntEnum):
    """The place of a live request on the Now page, worst first."""

    FAILING = auto()
    AWAITING_APPROVAL = auto()
    OVER_CAPACITY = auto()
    NO_ANSWER = auto()
    ATTACK_STOPPED = auto()
    REQUESTING = auto()
    IN_PROGRESS = auto()
    MITIGATING = auto()
    STANDBY = auto()
    STOPPING = auto()
    TERMINATING = auto()
    OVER = auto()


def needs_a_person(request: RequestFacts, now: datetime) -> bool:
    """Waiting is not right: there is a next step, or something is wrong."""
    is_bad = request_badge(request, now).family in {"warn", "bad"}
    return is_bad or next_step(request, now) is not None


def rank(request: RequestFacts, now: datetime) -> Rank:
    if request.status in REQUEST_TERMINAL:
        return Rank.OVER
    shown = {display_status(mitigation, now) for mitigation in request.started}
    if request.status == RequestStatus.REQUESTING and DisplayStatus.NO_ANSWER in shown:
        return Rank.NO_ANSWER
    if request.status == RequestStatus.MITIGATING and DisplayStatus.EXCEEDED in shown:
        return Rank.OVER_CAPACITY
    if request.status == RequestStatus.TERMINATING and is_stopping(request):
        return Rank.STOPPING
    return Rank[request.status.name]
