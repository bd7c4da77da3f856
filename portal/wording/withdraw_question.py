"""The actions on one provider's part: ask it now, or withdraw it alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import bit_rate, listed
from portal.wording.badges import (
    FILTERING,
    MAY_FILTER,
    DisplayStatus,
    display_status,
    dropped_now,
    is_stale,
)
from portal.wording.facts import MitigationFacts, RequestFacts
from portal.wording.terminate_question import Question

_SAID_NO: Final = (
    DisplayStatus.REFUSED,
    DisplayStatus.LOOPED,
    DisplayStatus.NOT_SENDABLE,
    DisplayStatus.WITHDRAWN,
)
_ENDED: Final = (DisplayStatus.TERMINATED, DisplayStatus.EXPIRED)


def ask_label(mitigation: MitigationFacts, now: datetime) -> str:
    """The button that asks this provider now; empty if that would change nothing."""
    if mitigation.why_not or mitigation.is_replaced or mitigation.must_wait:
        return ""
    display = display_status(mitigation, now)
    if display == DisplayStatus.NOT_ASKED:
        return f"Ask {mitigation.short} now"
    if mitigation.is_plan:
        is_able = display in _SAID_NO and mitigation.withdrawal_asked_at is None
    else:
        is_withdrawn_alone = bool(mitigation.withdrawn_by) or mitigation.is_withdrawn_by_policy
        is_ending = display in (DisplayStatus.WINDING_DOWN, DisplayStatus.STOP_PENDING)
        is_able = display in (*_SAID_NO, *_ENDED) or (is_ending and is_withdrawn_alone)
    return f"Ask {mitigation.short} again now" if is_able else ""


def withdraw_question(
    request: RequestFacts, mitigation: MitigationFacts, targets: Sequence[str], now: datetime
) -> Question | None:
    """Asked once, before one provider is withdrawn; None if it is the last that may be
    filtering.
    """
    if mitigation.is_plan or display_status(mitigation, now) not in MAY_FILTER:
        return None
    others = [
        one
        for one in request.started
        if one is not mitigation and display_status(one, now) in MAY_FILTER
    ]
    if not others:
        return None
    is_filtering = display_status(mitigation, now) in FILTERING
    points = [_what_stops(mitigation, targets), _what_comes_through(mitigation, others, now)]
    uncovered = [one for one in mitigation.part or targets if not _is_covered(one, others, targets)]
    if uncovered:
        points.append(f"No other provider is asked to filter {listed(uncovered)}.")
    points.append(f"You can ask {mitigation.short} again at any time.")
    return Question(
        title=f"Withdraw {mitigation.short} only?",
        points=tuple(point for point in points if point),
        keep=f"Keep {mitigation.short}",
        is_filtering=is_filtering,
    )


def _what_stops(mitigation: MitigationFacts, targets: Sequence[str]) -> str:
    whom = mitigation.part or targets
    if mitigation.sent_at is None:
        return f"Nothing has been sent to {mitigation.short} yet, and nothing will be."
    return f"{mitigation.short} will be told to stop filtering {listed(whom)}."


def _is_covered(target: str, others: Sequence[MitigationFacts], targets: Sequence[str]) -> bool:
    return any(target in (other.part or targets) for other in others)


def _what_comes_through(
    mitigation: MitigationFacts, others: Sequence[MitigationFacts], now: datetime
) -> str:
    """The traffic that reaches the organization, as far as reported: never more certain
    than that.
    """
    filtering = [
        one for one in others if display_status(one, now) in FILTERING and not is_stale(one, now)
    ]
    silent = [one for one in others if display_status(one, now) in FILTERING and is_stale(one, now)]
    who = listed([one.short for one in filtering or silent or others])
    now_drops = ""
    if mitigation.bps_dropped and dropped_now([mitigation], now):
        verb = "last reported" if is_stale(mitigation, now) else "drops"
        tail = " dropped" if is_stale(mitigation, now) else ""
        now_drops = f"{mitigation.short} {verb} {bit_rate(mitigation.bps_dropped)}{tail}. "
    if filtering:
        goes_on = "goes on" if len(filtering) == 1 else "go on"
        them = f"Whatever {who} cannot filter of that will reach you." if now_drops else ""
        return f"{now_drops}{who} {goes_on} filtering. {them}".strip()
    if silent:
        it, are = ("it is", "is") if len(silent) == 1 else ("they are", "are")
        reaches = "That traffic may reach you: " if now_drops else ""
        return f"{now_drops}{reaches}{who} last reported that {it} filtering, but {are} silent now."
    have = "has" if len(others) == 1 else "have"
    reaches = "That traffic will reach you: " if now_drops else ""
    said = f"{who} {have} not reported any filtering."
    return f"{now_drops}{reaches}{said}" if now_drops else said
