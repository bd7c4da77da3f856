"""The sentences of plans. Pure functions of loaded rows and a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal import wording
from portal.core.formatting import listed, plural, when
from portal.mitigations.states import RequestStatus
from portal.wording import Badge, DisplayStatus, Question, Say

OFF: Final = Badge("Off", "ring", "idle")

WHAT_A_PLAN_IS: Final = (
    "A plan is a request that your providers hold in readiness. They filter when you activate it, "
    "or automatically if they lose contact with you under attack."
)

_WORST_FIRST: Final = (
    RequestStatus.FAILING,
    RequestStatus.MITIGATING,
    RequestStatus.IN_PROGRESS,
    RequestStatus.ATTACK_STOPPED,
    RequestStatus.TERMINATING,
    RequestStatus.REQUESTING,
    RequestStatus.STANDBY,
)


def standby_says(on: Sequence[wording.RequestFacts], off: int, now: datetime) -> Say:
    """The worst plan that is on, in one sentence."""
    if not on:
        headline = "No plan is on." if off else "Nothing is prepared."
        return Say(OFF, headline, WHAT_A_PLAN_IS)
    worst = min(on, key=lambda plan: (_rank(plan), -_missing(plan, now)))
    badge, headline = wording.request_badge(worst, now), wording.headline(worst, now)
    if all(_is_well(plan, now) for plan in on):
        if len(on) > 1:
            return Say(badge, f"All {plural(len(on), 'plan')} are held.", _others_off(off))
    elif worst.status == RequestStatus.STANDBY:
        badge = wording.BADGES[DisplayStatus.NO_ANSWER]
    summary = " ".join(part for part in (wording.summary(worst, now), _others_off(off)) if part)
    return Say(badge, f"{worst.name}: {headline}", summary)


def _rank(plan: wording.RequestFacts) -> int:
    is_known = plan.status in _WORST_FIRST
    return _WORST_FIRST.index(plan.status) if is_known else len(_WORST_FIRST)


def _missing(plan: wording.RequestFacts, now: datetime) -> int:
    return sum(not wording.is_held_now(mitigation, now) for mitigation in plan.started)


def _is_well(plan: wording.RequestFacts, now: datetime) -> bool:
    return plan.status == RequestStatus.STANDBY and not _missing(plan, now)


def _others_off(off: int) -> str:
    return "" if not off else f"{plural(off, 'plan')} {'is' if off == 1 else 'are'} off."


def activation_points(names: Sequence[str], targets: Sequence[str]) -> tuple[str, ...]:
    """What happens when a plan is activated manually."""
    return (
        f"{listed(names)} will be asked to filter {listed(targets)} now.",
        "Their traffic is diverted through the provider. Some legitimate connections may drop.",
        "Providers keep holding the plan itself.",
    )


def activated_sentence(who: str, at: datetime, now: datetime) -> str:
    return f"{who} activated this plan {when(at, now)}."


def older_sentence(names: Sequence[str]) -> str:
    """Providers activated the previous version while contact was lost; the new version would end
    that.
    """
    if not names:
        return ""
    verb, them = ("filters", "it has") if len(names) == 1 else ("filter", "they have")
    return (
        f"{listed(names)} {verb} for the previous version. The new version is held once {them} "
        f"stopped."
    )


def turn_off_question(name: str, *, is_active: bool) -> Question:
    """`is_active`: a provider filters for the plan."""
    filtering = ", and to stop filtering for it" if is_active else ""
    return Question(
        title=f"Turn off {name}?",
        points=(
            f"Every provider is told to release it{filtering}.",
            "If contact is lost under attack after that, no provider filters automatically.",
            "You can turn it on again at any time.",
        ),
        keep="Keep it on",
        is_filtering=is_active,
    )


def remove_question(name: str) -> Question:
    return Question(
        title=f"Remove {name}?",
        points=("It is removed from this page for good. Its history stays in the log.",),
        keep="Keep it",
        is_filtering=False,
    )


def off_sentence(who: str, at: datetime | None, now: datetime) -> str:
    if at is None:
        return "The plan is off: the portal asks no provider to hold it."
    return (
        f"{who or 'The portal'} turned it off {when(at, now)}. The portal asks no "
        "provider to hold it."
    )
