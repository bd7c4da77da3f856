"""The sentences of plans and drills. Pure functions of rows already read and a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import clock, listed, moment, plural
from portal.mitigations import wording
from portal.mitigations.states import RequestStatus
from portal.mitigations.wording import Face, Look, Say
from portal.standby.models import Drill, DrillCheck, Failure, Way

OFF: Final = Look("Off", "ring", "idle")
PASSED: Final = Look("Pass", "disc-tick", "good")
FAILED: Final = Look("Fail", "octagon", "bad")
RUNNING: Final = Look("Running", "arrow-ring", "idle")

WHAT_A_PLAN_IS: Final = (
    "A plan is a request that your providers hold in readiness. They filter when you activate it, "
    "or by themselves if they lose contact with you under attack."
)

_WORST_FIRST: Final = (
    RequestStatus.FAILING,
    RequestStatus.MITIGATING,
    RequestStatus.IN_PROGRESS,
    RequestStatus.ATTACK_STOPPED,
    RequestStatus.REQUESTING,
    RequestStatus.STANDBY,
)


def standby_says(on: Sequence[wording.Asked], off: int, now: datetime) -> Say:
    """What is prepared, in one sentence: the worst plan that is on."""
    if not on:
        headline = "No plan is on." if off else "Nothing is prepared."
        return Say(OFF, headline, WHAT_A_PLAN_IS)
    worst = min(on, key=lambda plan: (_rank(plan), -_missing(plan, now)))
    look, headline = wording.look(worst, now), wording.headline(worst, now)
    if all(_is_well(plan, now) for plan in on):
        if len(on) > 1:
            return Say(look, f"All {plural(len(on), 'plan')} are held.", _others_off(off))
    elif worst.status == RequestStatus.STANDBY:
        look = wording.LOOKS[Face.NO_ANSWER]
    lead = " ".join(part for part in (wording.lead(worst, now), _others_off(off)) if part)
    return Say(look, f"{worst.name}: {_small(headline, worst)}", lead)


def _small(headline: str, plan: wording.Asked) -> str:
    """After a colon a sentence begins small, unless with a name."""
    names = {leg.short.partition(" ")[0] for leg in plan.legs}
    first = headline.partition(" ")[0]
    return headline if first in names else f"{headline[:1].lower()}{headline[1:]}"


def _rank(plan: wording.Asked) -> int:
    is_known = plan.status in _WORST_FIRST
    return _WORST_FIRST.index(plan.status) if is_known else len(_WORST_FIRST)


def _missing(plan: wording.Asked, now: datetime) -> int:
    return sum(not wording.is_held_now(leg, now) for leg in plan.asked)


def _is_well(plan: wording.Asked, now: datetime) -> bool:
    return plan.status == RequestStatus.STANDBY and not _missing(plan, now)


def _others_off(off: int) -> str:
    return "" if not off else f"{plural(off, 'plan')} {'is' if off == 1 else 'are'} off."


def activation_points(names: Sequence[str], targets: Sequence[str]) -> tuple[str, ...]:
    """What will happen when a plan is activated by hand."""
    verb = "is" if len(names) == 1 else "are"
    return (
        f"{listed(names)} {verb} asked to filter {listed(targets)} now.",
        "Their traffic takes a detour through the provider. Some good connections may drop.",
        "The plan itself stays held.",
    )


def activated_sentence(who: str, at: datetime, now: datetime) -> str:
    return f"{who} activated this plan at {moment(at, now)}."


def off_sentence(who: str, at: datetime | None, now: datetime) -> str:
    if at is None:
        return "The plan is off: nobody is asked to hold it."
    return f"{who or 'The portal'} turned it off at {moment(at, now)}. Nobody is asked to hold it."


# Drills


def drill_look(drill: Drill) -> Look:
    if not drill.is_over:
        return RUNNING
    return PASSED if drill.has_passed else FAILED


def drill_sentence(drill: Drill) -> str:
    """What it came to: who failed, else how fast everybody was."""
    checks = list(drill.checks.all())
    if not drill.is_over:
        return "A drill is running. It takes about 5\u00a0s, and 75\u00a0s at most."
    failed = list(dict.fromkeys(_name(check) for check in checks if check.failure))
    if failed:
        return f"{listed(failed)} did not pass."
    slowest = max(_confirmed_after(check) or 0.0 for check in checks)
    names = list(dict.fromkeys(_name(check) for check in checks))
    who = "Both" if len(names) == 2 else listed(names) if len(names) == 1 else "All"
    return f"{who} confirmed within {slowest:.1f}\u00a0s."


def check_look(check: DrillCheck) -> Look:
    if check.failure:
        return FAILED
    return PASSED if check.is_over else RUNNING


def check_sentence(check: DrillCheck) -> str:
    """What one provider did: each step with its time, or where it ended."""
    if check.failure:
        return _FAILURES[Failure(check.failure)].format(name=_name(check), reason=check.reason)
    if check.way == Way.PLAN:
        if check.confirmed_at is None:
            return f"Asked at {clock(check.asked_at)} to confirm the plan it holds."
        return f"Confirmed the plan it holds {_after(check.asked_at, check.confirmed_at)} later. The plan stays held."
    steps = []
    if check.sent_at is None:
        return "Nothing has been sent yet."
    steps.append(f"Sent at {clock(check.sent_at)}")
    if check.confirmed_at:
        steps.append(f"held {_after(check.sent_at, check.confirmed_at)} later")
    if check.told_at and check.withdrawn_at:
        steps.append(f"told to let go {_after(check.withdrawn_at, check.told_at)} after that began")
    if check.ended_at:
        steps.append(f"let go at {clock(check.ended_at)}")
    return f"{', '.join(steps)}."


def _after(start: datetime, end: datetime) -> str:
    return f"{max(0.0, (end - start).total_seconds()):.1f}\u00a0s"


def _confirmed_after(check: DrillCheck) -> float | None:
    if check.confirmed_at is None:
        return None
    return max(0.0, (check.confirmed_at - (check.sent_at or check.asked_at)).total_seconds())


def _name(check: DrillCheck) -> str:
    return check.subscription.provider.short_name


_FAILURES: Final = {
    Failure.NOT_SENT: "Nothing left the portal for {name}: there was no connection.",
    Failure.NO_ANSWER: "{name} did not confirm within 30\u00a0s. It was told to let go all the same.",
    Failure.REFUSED: "{name} refused. {reason}",
    Failure.NOT_HELD: "{name} does not hold the plan.",
    Failure.ACTED: "{name} did not keep it in standby, and was told to stop.",
    Failure.NOT_TOLD: "{name} confirmed, but could not be told to let go. It ends by itself after 5\u00a0minutes.",
    Failure.NOT_ENDED: "{name} was told to let go, and did not say that it did.",
}
