"""What people read before they terminate a request, and who may do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.core.formatting import bit_rate, listed
from portal.mitigations.states import RequestStatus
from portal.wording.badges import (
    FILTERING,
    DisplayStatus,
    display_status,
    display_statuses,
    dropped_now,
    is_stale,
)
from portal.wording.dropped import dropped_sentence, is_dropping
from portal.wording.facts import MitigationFacts, RequestFacts
from portal.wording.headlines import everyone


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What will happen if a request is terminated."""

    title: str
    points: tuple[str, ...]
    keep: str
    "the way back"
    is_filtering: bool


def terminate_question(
    request: RequestFacts, targets: Sequence[str], now: datetime, *, plan: str = ""
) -> Question:
    """Asked once, with numbers, before anything that filters is ended.

    `plan`: the plan that it activates, if that is on.
    """
    filtering = [one for one in _sent(request) if display_status(one, now) in FILTERING]
    kept = "plan" if request.is_plan else "request"
    return Question(
        title=_title(request, is_filtering=bool(filtering)),
        points=(
            *_what_stops(request, filtering, targets),
            *_what_may_follow(request, filtering, now),
            _again(request, plan),
        ),
        keep="Keep filtering" if filtering else f"Keep the {kept}",
        is_filtering=bool(filtering),
    )


def _sent(request: RequestFacts) -> list[MitigationFacts]:
    return [one for one in request.started if one.sent_at is not None]


def _title(request: RequestFacts, *, is_filtering: bool) -> str:
    if request.status == RequestStatus.ATTACK_STOPPED:
        return "Terminate now that the attack has stopped?"
    if is_filtering:
        return "Terminate while the attack goes on?"
    return "Turn off the plan?" if request.is_plan else "Terminate before any provider filters?"


def _what_stops(
    request: RequestFacts, filtering: Sequence[MitigationFacts], targets: Sequence[str]
) -> list[str]:
    sent = _sent(request)
    if not sent:
        return ["Nothing has been sent yet, and nothing will be."]
    if request.is_plan:
        return _effects_on_plan(sent, filtering, targets)
    return [f"{_names(sent)} will be told to stop filtering {listed(targets)}."]


def _what_may_follow(
    request: RequestFacts, filtering: Sequence[MitigationFacts], now: datetime
) -> Iterator[str]:
    rate = dropped_now(request.started, now)
    if rate:
        yield what_comes_through([one for one in filtering if is_dropping(one, now)], rate, now)
    silent = display_statuses(request.mitigations, now).get(DisplayStatus.NO_ANSWER, [])
    if silent and not request.is_plan:
        yield f"{_names(silent)} may be filtering already: only the answer is missing."


def _again(request: RequestFacts, plan: str) -> str:
    if plan:
        return f"The plan {plan} stays on. You can activate it again at any time."
    if request.is_plan:
        return "The plan is then off: no provider holds it until you turn it on again."
    return "You can request again at any time; providers may take a minute to start over."


def _effects_on_plan(
    sent: Sequence[MitigationFacts], filtering: Sequence[MitigationFacts], targets: Sequence[str]
) -> list[str]:
    """A provider that filters gets another message than one that only holds the plan, and one that
    is stopping got it already.
    """
    stopping = [mitigation for mitigation in sent if mitigation.is_held_again]
    holding = [mitigation for mitigation in sent if mitigation not in (*filtering, *stopping)]
    points: list[str] = []
    if filtering:
        points.append(f"{_names(filtering)} will be told to stop filtering {listed(targets)}.")
    if stopping:
        points.append(
            f"{_names(stopping)} {_are(stopping)} stopping and will not hold the plan again."
        )
    if holding:
        points.append(f"{_names(holding)} will be told to release the plan for {listed(targets)}.")
    return points


def _names(mitigations: Sequence[MitigationFacts]) -> str:
    return listed([mitigation.short for mitigation in mitigations])


def _are(mitigations: Sequence[MitigationFacts]) -> str:
    return "is" if len(mitigations) == 1 else "are"


def what_comes_through(dropping: Sequence[MitigationFacts], rate: int, now: datetime) -> str:
    then = "That traffic will reach you, usually within minutes."
    if any(is_stale(mitigation, now) for mitigation in dropping):
        return f"{dropped_sentence(dropping, now)} {then}"
    who = f"{dropping[0].short} drops" if len(dropping) == 1 else "they drop"
    return f"Right now {who} {bit_rate(rate)}. {then}"


def colleagues(able: Sequence[str]) -> str:
    """The colleagues who may do what a viewer may not."""
    return f" {listed(able)} can." if able else ""


def may_not_end(role: str, able: Sequence[str]) -> str:
    return f"You can see this request but not end it: your role is {role}.{colleagues(able)}"


def goes_to(names: Sequence[str]) -> str:
    """The providers that an efficacy update reaches."""
    return everyone(len(names)) if len(names) > 1 else names[0]
