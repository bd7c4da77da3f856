"""The confirmation before filtering for a plan is stopped and the plan kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    acting = [one for one in plan.started if display_status(one, now) in plans.ACTED]
    requested = activation.started if activation else ()
    stopped = [*acting, *(one for one in requested if display_status(one, now) in MAY_FILTER)]
    if not stopped:
        return None
    holding = [one for one in plan.started if display_status(one, now) == DisplayStatus.STANDBY]
    return Question(
        title="Stop filtering, but stay prepared?",
        points=(
            *_what_stops(stopped, targets, now),
            *_what_stays_prepared(_names(acting), _names(holding)),
        ),
        keep="Keep filtering",
        is_filtering=any(display_status(one, now) in FILTERING for one in stopped),
    )


def _what_stops(
    stopped: Sequence[MitigationFacts], targets: Sequence[str], now: datetime
) -> Iterator[str]:
    yield f"{listed(_names(stopped))} will be told to stop filtering {listed(targets)}."
    rate = dropped_now(stopped, now)
    if rate:
        yield what_comes_through([one for one in stopped if is_dropping(one, now)], rate, now)


def _what_stays_prepared(acting: Sequence[str], holding: Sequence[str]) -> Iterator[str]:
    """Names of providers: those that will hold the plan again, and those that hold it now."""
    if acting:
        they = "it" if len(acting) == 1 else "they"
        yield (
            f"{listed(acting)} will hold the plan again after that. Until then {they} cannot "
            "start automatically if contact is lost."
        )
    if holding:
        yield f"{listed(holding)} {'keeps' if len(holding) == 1 else 'keep'} holding the plan."


def _names(mitigations: Iterable[MitigationFacts]) -> list[str]:
    return list(dict.fromkeys(one.short for one in mitigations))
