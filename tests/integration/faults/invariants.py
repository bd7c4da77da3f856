"""What must hold once everything works again: a pure comparison of what is shown with what
providers hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

OVER: Final = ("terminated", "expired")
LIVE_BELOW: Final = 5
"""DOTS statuses of mitigations that are ending, have ended or were withdrawn; 8 is a plan in
standby.
"""
STANDBY: Final = 8

Shown = Mapping[str, Any]
"""A request as the API shows it."""
Held = Mapping[str, Any]
"""A mitigation as a provider's `/state` shows it."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a person requested, as far as the answer was a success."""

    name: str
    label: str
    "given as the reason, to find the request again"
    prefix: str
    subscriptions: tuple[str, ...]
    "ids, in the order in which they are to be asked"
    strategy: str
    is_terminated: bool


def differences(
    asked: RequestFacts, found: Sequence[Shown], held: Mapping[str, Sequence[Held]]
) -> list[str]:
    """The differences as text; empty if there are none.

    `found`: requests for its prefix; `held`: by subscription, of its client.
    """
    if len(found) != 1:
        return [f"{asked.name}: {len(found)} requests instead of one"]
    shown = found[0]
    mitigations = {mitigation["subscription"]: mitigation for mitigation in shown["mitigations"]}
    return [
        f"{asked.name}: {problem}"
        for problem in (
            *_reached(asked, shown, mitigations),
            *(
                problem
                for subscription in asked.subscriptions
                for problem in _agrees(
                    asked, mitigations.get(subscription), _of(held[subscription], asked.prefix)
                )
            ),
        )
    ]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that a person created, as far as the answer was a success."""

    plan_id: str
    organization: str
    prefix: str
    started_at: frozenset[str] = frozenset()
    "providers that concluded they had lost contact, and have lost nothing else since"
    is_discarded: bool = False


def plan_differences(
    plan: Prepared, shown: Shown | None, held: Mapping[str, Sequence[Held]]
) -> list[str]:
    """The differences as text; empty if there are none.

    `shown`: the plan, None if it was discarded; `held`: by provider, of its client.
    """
    problems: list[str] = []
    statuses = {
        (one["provider"].split()[0].lower(), one["mid"]): one["dots_status"]
        for one in (shown["request"]["mitigations"] if shown else ())
    }
    for provider, mitigations_held in held.items():
        live = {
            one["mid"]: one["status"]
            for one in _of(mitigations_held, plan.prefix)
            if one["status"] < LIVE_BELOW or one["status"] == STANDBY
        }
        if plan.is_discarded:
            if live:
                problems.append(f"{provider} still holds {live} after the plan was turned off")
            continue
        if len(live) != 1:
            problems.append(f"{provider} holds {live} instead of one mitigation")
            continue
        ((mid, status),) = live.items()
        says = statuses.get((provider, mid), "nothing")
        if says != status:
            problems.append(f"{provider} has status {status} of mid {mid}, and {says} is shown")
        if provider in plan.started_at and status == STANDBY:
            problems.append(f"{provider} had started mid {mid}, and was made to stop")
    return [f"plan of {plan.organization}: {problem}" for problem in problems]


def forgotten(prefix: str, held: Sequence[Held], unknown: Sequence[Shown]) -> list[str]:
    """Errors in how a mitigation that a restored database does not know is shown.

    `unknown`: those shown as unknown.
    """
    live = [one["mid"] for one in _of(held, prefix) if one["status"] < LIVE_BELOW]
    shown = [one["mid"] for one in unknown if prefix in one["targets"]["prefixes"]]
    if live and shown != live:
        return [f"a provider holds mids {live} since before the restore, and {shown} are shown"]
    return []


def _reached(
    asked: RequestFacts, shown: Shown, mitigations: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    if asked.is_terminated:
        if shown["status"] not in OVER:
            yield f"is {shown['status']} after its termination"
        return
    if shown["status"] not in ("in_progress", "mitigating"):
        yield f"is {shown['status']}"
    expected = asked.subscriptions if asked.strategy == "parallel" else asked.subscriptions[:1]
    for subscription in expected:
        if subscription not in mitigations:
            yield f"subscription {subscription} was never asked"


def _agrees(
    asked: RequestFacts, mitigation: Mapping[str, Any] | None, held: Sequence[Held]
) -> Iterable[str]:
    live = [one for one in held if one["status"] < LIVE_BELOW]
    mids = [one["mid"] for one in live]
    if asked.is_terminated:
        if live:
            yield f"the provider still holds mid {mids}"
        return
    if mitigation is None:
        if live:
            yield f"the provider holds mid {mids}, and nobody is shown to be asked"
        return
    is_wanted = mitigation["status"] not in (*OVER, "terminating", "withdrawn", "refused")
    if not is_wanted:
        if live:
            yield f"is shown as {mitigation['status']}, and the provider holds mid {mids}"
        return
    if mids != [mitigation["mid"]]:
        yield f"mid {mitigation['mid']} is {mitigation['status']}, and the provider holds {mids}"
    elif mitigation["dots_status"] != live[0]["status"]:
        yield (
            f"mid {mitigation['mid']} is shown with {mitigation['dots_status']}, the provider has "
            f"{live[0]['status']}"
        )
    elif mitigation["status"] == "pending":
        yield f"mid {mitigation['mid']} is shown as pending, and the provider holds it"


def _of(held: Sequence[Held], prefix: str) -> list[Held]:
    return [one for one in held if prefix in one["scope"].get("target-prefix", ())]


def gaps(after: int, numbers: Sequence[int]) -> list[str]:
    """Gaps in an organization's events, as read from `after` on."""
    for meant, number in enumerate(numbers, after + 1):
        if number != meant:
            return [f"events: {number} follows where {meant} should"]
    return []
