"""What one may do with one provider's part: ask it now, withdraw it alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import bit_rate, listed
from portal.wording.facts import Asked, Leg
from portal.wording.table import FILTERING, MAY_FILTER, Face, dropped_now, face, is_stale
from portal.wording.terminating import Question

_SAID_NO: Final = (Face.REFUSED, Face.NOT_REACHED, Face.NOT_SENDABLE, Face.WITHDRAWN)
_ENDED: Final = (Face.TERMINATED, Face.EXPIRED)


def ask_label(leg: Leg, now: datetime) -> str:
    """The button that asks this provider now; empty where that would change nothing."""
    if leg.why_not or leg.is_replaced or leg.must_wait:
        return ""
    leg_face = face(leg, now)
    if leg_face == Face.NOT_ASKED:
        return f"Ask {leg.short} now"
    if leg.is_plan:
        is_able = leg_face in _SAID_NO and leg.withdrawal_asked_at is None
    else:
        is_withdrawn_alone = bool(leg.withdrawn_by or leg.withdrawn_because)
        is_ending = leg_face in (Face.TOLD, Face.NOT_TOLD)
        is_able = leg_face in (*_SAID_NO, *_ENDED) or (is_ending and is_withdrawn_alone)
    return f"Ask {leg.short} again now" if is_able else ""


def withdraw_question(
    asked: Asked, leg: Leg, targets: Sequence[str], now: datetime
) -> Question | None:
    """Asked once, before one provider is withdrawn; None where it is the last that may be filtering."""
    if leg.is_plan or face(leg, now) not in MAY_FILTER:
        return None
    others = [one for one in asked.asked if one is not leg and face(one, now) in MAY_FILTER]
    if not others:
        return None
    is_filtering = face(leg, now) in FILTERING
    points = [_told(leg, targets), _what_comes_through(leg, others, now)]
    uncovered = [one for one in leg.part or targets if not _is_covered(one, others, targets)]
    if uncovered:
        points.append(f"Nobody else is asked for {listed(uncovered)}.")
    points.append(f"You can ask {leg.short} again at any time.")
    return Question(
        title=f"Withdraw {leg.short} only?",
        points=tuple(point for point in points if point),
        keep=f"Keep {leg.short}",
        is_filtering=is_filtering,
    )


def _told(leg: Leg, targets: Sequence[str]) -> str:
    whom = leg.part or targets
    if leg.sent_at is None:
        return f"Nothing has been sent to {leg.short} yet, and nothing will be."
    return f"{leg.short} is told to stop filtering {listed(whom)}."


def _is_covered(target: str, others: Sequence[Leg], targets: Sequence[str]) -> bool:
    return any(target in (other.part or targets) for other in others)


def _what_comes_through(leg: Leg, others: Sequence[Leg], now: datetime) -> str:
    """What reaches the organization, as far as anybody reported: never more certain than that."""
    filtering = [one for one in others if face(one, now) in FILTERING and not is_stale(one, now)]
    silent = [one for one in others if face(one, now) in FILTERING and is_stale(one, now)]
    who = listed([one.short for one in filtering or silent or others])
    now_drops = ""
    if leg.bps_dropped and dropped_now([leg], now):
        verb = "last reported" if is_stale(leg, now) else "drops"
        tail = " dropped" if is_stale(leg, now) else ""
        now_drops = f"{leg.short} {verb} {bit_rate(leg.bps_dropped)}{tail}. "
    if filtering:
        goes_on = "goes on" if len(filtering) == 1 else "go on"
        them = f"What {who} cannot take on of that reaches you." if now_drops else ""
        return f"{now_drops}{who} {goes_on} filtering. {them}".strip()
    if silent:
        it, are = ("it is", "is") if len(silent) == 1 else ("they are", "are")
        reaches = "That traffic may reach you: " if now_drops else ""
        return f"{now_drops}{reaches}{who} last reported that {it} filtering, but {are} silent now."
    have = "has" if len(others) == 1 else "have"
    reaches = "That traffic will reach you: " if now_drops else ""
    said = f"{who} {have} not reported any filtering."
    return f"{now_drops}{reaches}{said}" if now_drops else said
