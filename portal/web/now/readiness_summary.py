"""What the Now page says about readiness while nothing is live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from portal.readiness.checks.prepared import outcome
from portal.readiness.gather import Readiness
from portal.readiness.rows import BADGES, Answer, CheckCode, Row, State, of
from portal.wording.badges import SESSION_BADGES
from portal.wording.sessions import Say

CLAUSES: Final = 3
"""Problems that are named; the sentence counts the rest."""
PLANS: Final = 3


@dataclass(frozen=True, slots=True)
class ReadinessSummary:
    """The first sentence of a calm page with its evidence, and the box that links to the checks."""

    say: Say
    answer: Answer
    to_fix: str
    plans: tuple[Row, ...]


def readiness_summary(readiness: Readiness, say: Say, now: datetime) -> ReadinessSummary:
    return ReadinessSummary(
        say=_say(readiness, say, now),
        answer=readiness.answer,
        to_fix=_to_fix(readiness),
        plans=tuple(row for row in readiness.rows if row.code == CheckCode.PLAN)[:PLANS],
    )


def _say(readiness: Readiness, say: Say, now: datetime) -> Say:
    """Ready only if every check allows it; the last passed drill is the evidence."""
    passed = readiness.passed_drill
    evidence = f"{say.summary} {outcome(passed, now)}" if passed else say.summary
    if readiness.answer.state != State.FAIL or say.badge != SESSION_BADGES["up"]:
        return replace(say, summary=evidence)
    summary = f"Nothing is being mitigated. {evidence}"
    return Say(BADGES[State.WARN], readiness.answer.headline, summary)


def _to_fix(readiness: Readiness) -> str:
    clauses = [
        row.clause for state in (State.FAIL, State.WARN) for row in of(readiness.rows, state)
    ]
    if not clauses:
        return ""
    named = "; ".join(clauses[:CLAUSES])
    more = f"; {len(clauses) - CLAUSES} more" if len(clauses) > CLAUSES else ""
    return f"{named[:1].upper()}{named[1:]}{more}."
