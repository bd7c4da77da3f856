"""The confirmation before filtering for a plan is stopped and the plan kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from portal.core.formatting import listed
from portal.wording import plans
from portal.wording.badges import FILTERING, MAY_FILTER, DisplayStatus, display_status, dropped_now
from portal.wording.dropped import is_dropping
from portal.wording.facts import MitigationFacts, RequestFacts
from portal.wording.terminate_question import Question, what_comes_through


def stop_question(
    plan: RequestFacts,
    targets: Sequence[str],
    now: datetime,
    *,
    activation: RequestFacts | None = None,
) -> Question | None:
    """Asked once, with numbers; None if no provider filters for the plan.

    `activation`: the request that a person made from it.
    """
    acting = [
        mitigation for mitigation in plan.started if display_status(mitigation, now) in plans.ACTED
    ]
    request = (
        [
            mitigation
            for mitigation in activation.started
            if display_status(mitigation, now) in MAY_FILTER
        ]
        if activation
        else []
    )
    if not (acting or request):
        return None
    stopped = [*acting, *request]
    whom = _names(stopped)
    points = [(f"{listed(whom)} will be told to stop filtering {listed(targets)}.")]
    rate = dropped_now(stopped, now)
    if rate:
        points.append(
            what_comes_through(
                [mitigation for mitigation in stopped if is_dropping(mitigation, now)], rate, now
            )
        )
    if acting:
        names = _names(acting)
        start = (
            "it cannot start automatically"
            if len(names) == 1
            else "they cannot start automatically"
        )
        points.append(
            f"{listed(names)} will hold the plan again after that. Until then {start} if "
            f"contact is lost."
        )
    holding = _names(
        mitigation
        for mitigation in plan.started
        if display_status(mitigation, now) == DisplayStatus.STANDBY
    )
    if holding:
        points.append(
            f"{listed(holding)} {'keeps' if len(holding) == 1 else 'keep'} holding the plan."
        )
    return Question(
        title="Stop filtering, but stay prepared?",
        points=tuple(points),
        keep="Keep filtering",
        is_filtering=any(display_status(mitigation, now) in FILTERING for mitigation in stopped),
    )


def _names(mitigations: Iterable[MitigationFacts]) -> list[str]:
    return list(dict.fromkeys(mitigation.short for mitigation in mitigations))
