"""What people read before they terminate a request, and who may do it."""

from __future__ import annotations

from collections.abc import Sequence
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
    sent = [mitigation for mitigation in request.started if mitigation.sent_at is not None]
    filtering = [mitigation for mitigation in sent if display_status(mitigation, now) in FILTERING]
    rate = dropped_now(request.started, now)
    again = "You can request again at any time; providers may take a minute to start over."
    if request.status == RequestStatus.ATTACK_STOPPED:
        title = "Terminate now that the attack has stopped?"
    elif filtering:
        title = "Terminate while the attack goes on?"
    else:
        title = (
            "Turn off the plan?" if request.is_plan else "Terminate before any provider filters?"
        )
    points: list[str] = []
    if sent and request.is_plan:
        points += _effects_on_plan(sent, filtering, targets)
    elif sent:
        points.append(f"{_names(sent)} will be told to stop filtering {listed(targets)}.")
    else:
        points.append("Nothing has been sent yet, and nothing will be.")
    if rate:
        points.append(
            what_comes_through(
                [mitigation for mitigation in filtering if is_dropping(mitigation, now)], rate, now
            )
        )
    silent = display_statuses(request.mitigations, now).get(DisplayStatus.NO_ANSWER, [])
    if silent and not request.is_plan:
        points.append(
            f"{listed([mitigation.short for mitigation in silent])} may be filtering already: "
            f"only the answer is missing."
        )
    if request.is_plan:
        again = "The plan is then off: no provider holds it until you turn it on again."
    if plan:
        again = f"The plan {plan} stays on. You can activate it again at any time."
    points.append(again)
    return Question(
        title=title,
        points=tuple(points),
        keep="Keep filtering"
        if filtering
        else f"Keep the {'plan' if request.is_plan else 'request'}",
        is_filtering=bool(filtering),
    )


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
