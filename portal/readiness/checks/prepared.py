"""Checks of preparation: providers hold the plans, and a drill has shown that requests work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from portal.core.formatting import NBSP, ago, day, days_ahead, listed, moment
from portal.readiness.rows import CheckCode, Found, Link, Row, State
from portal.wording.headlines import everyone

DRILL_AGES_AFTER: Final = timedelta(days=30)
NO_DRILL: Final = "No drill has passed yet. One takes a few seconds."


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderFacts:
    """One provider's part in a plan."""

    short: str
    is_held: bool
    is_active: bool
    reported_at: datetime | None


def plan(
    name: str, plan_id: str, holders: Sequence[HolderFacts], now: datetime, link: Link | None
) -> Row:
    """A plan that is on, and the providers that hold it by their last report."""
    acting = [one.short for one in holders if one.is_active]
    holding = [one for one in holders if one.is_held]
    left = [one.short for one in holders if not one.is_held and not one.is_active]
    said = min((one.reported_at for one in holding if one.reported_at), default=None)
    parts = []
    if acting:
        parts.append(f"{_who(acting, len(holders))} reported that the plan was activated.")
    if holding:
        held = _who([one.short for one in holding], len(holders))
        parts.append(f"{held} {_verb(len(holding))} it.")
    if left:
        it_does = "it holds it" if len(left) == 1 else "they hold it"
        parts.append(f"{_who(left, len(holders))} {_has(len(left))} not confirmed that {it_does}.")
    if said is not None:
        parts.append(f"Confirmed {ago(said, now)}.")
    state = State.PASS if not left and holders else State.WARN
    if not holders:
        parts = ["No provider was asked to hold it."]
    nobody = not holding and not acting
    return Row(
        code=CheckCode.PLAN,
        question=f"Standby plan “{name}”",
        found=Found(
            state,
            " ".join(parts),
            ""
            if state == State.PASS
            else (
                f"no provider holds “{name}”"
                if nobody
                else f"{listed(left)} {_does(len(left))} not hold “{name}”"
            ),
        ),
        about=plan_id,
        link=link,
    )


def _who(names: Sequence[str], of: int) -> str:
    return everyone(of).capitalize() if len(names) == of > 1 else listed(names)


def _verb(count: int) -> str:
    return "holds" if count == 1 else "hold"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _does(count: int) -> str:
    return "does" if count == 1 else "do"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillPart:
    """What one provider did in a drill."""

    name: str
    short: str
    confirmed_s: float | None = None
    "from sent to confirmed"
    withdrawn_s: float | None = None
    failure: str = ""
    "what went wrong, as a whole sentence"
    is_over: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFacts:
    """One test of every provider."""

    started_at: datetime
    by: str
    is_over: bool
    parts: tuple[DrillPart, ...]

    @property
    def has_passed(self) -> bool:
        return self.is_over and bool(self.parts) and not any(part.failure for part in self.parts)


def seconds(length_s: float | None) -> str:
    """0.4 s; 12 s"""
    if length_s is None:
        return ""
    return f"{length_s:.1f}{NBSP}s" if length_s < 10 else f"{length_s:.0f}{NBSP}s"


def drill(
    last: DrillFacts | None, passed: DrillFacts | None, now: datetime, link: Link | None
) -> Row:
    """`last` is the newest, running or not; `passed` is the newest that passed."""
    parts = []
    state, clause = State.PASS, ""
    if last is not None and not last.is_over:
        parts.append("A drill is running.")
    if passed is None:
        state, clause = State.WARN, "no drill has passed yet"
        parts.append(NO_DRILL)
    else:
        parts.append(outcome(passed, now))
        if now - passed.started_at > DRILL_AGES_AFTER:
            state, clause = (
                State.WARN,
                f"the last drill that passed was {ago(passed.started_at, now)}",
            )
            parts.append("Run another.")
    if last is not None and last.is_over and not last.has_passed:
        state, clause = State.WARN, "the last drill did not pass"
        failures = " ".join(part.failure for part in last.parts if part.failure)
        parts.insert(
            0, f"The drill {day_and_time(last.started_at, now)} did not pass. {failures}".strip()
        )
    return Row(
        code=CheckCode.DRILL,
        question="Drill",
        found=Found(state, " ".join(parts), clause),
        link=link if last is not None else None,
    )


def outcome(passed: DrillFacts, now: datetime) -> str:
    """ "In the last drill that passed, 3 days ago, both providers confirmed within 1.4 s." """
    slowest = max(
        (part.confirmed_s for part in passed.parts if part.confirmed_s is not None), default=None
    )
    names = list(dict.fromkeys(part.short for part in passed.parts))
    who = everyone(len(names)) if len(names) > 1 else names[0]
    within = f" within {seconds(slowest)}" if slowest is not None else ""
    return f"In the last drill that passed, {ago(passed.started_at, now)}, {who} confirmed{within}."


def day_and_time(at: datetime, now: datetime) -> str:
    """ "today at 14:02", "on 3 October at 14:02" """
    days = -days_ahead(at, now)
    name = ("today", "yesterday")[days] if 0 <= days < 2 else f"on {day(at, now)}"
    return f"{name} at {moment(at, at, seconds=False)}"
