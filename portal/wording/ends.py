"""Sentences about unrequested ends, and the first sentence of a page without live requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.core.formatting import plural
from portal.wording import plan_ends
from portal.wording.badges import request_badge
from portal.wording.facts import Badge, RequestFacts
from portal.wording.headlines import headline
from portal.wording.sessions import Say


def end_sentence(request: RequestFacts, now: datetime) -> str:
    """How the request, or the filtering for a plan, ended."""
    return (
        plan_ends.ended_sentence(request, now)
        if plan_ends.ended_mitigations(request)
        else headline(request, now)
    )


def end_badge(request: RequestFacts, now: datetime) -> Badge:
    stopped = plan_ends.ended_mitigations(request)
    return plan_ends.ended_badge(stopped) if stopped else request_badge(request, now)


def ended_says(
    ended: Sequence[RequestFacts], calm: Say, now: datetime, *, more: int = 0, noun: str = "request"
) -> Say:
    """The ends first, then the rest.

    `more`: the number of ends besides those in `ended`.
    """
    worst = ended[0]
    said = end_sentence(worst, now)
    if worst.name not in said:
        said = f"{worst.name}: {said}"
    others = len(ended) - 1 + more
    also = ""
    if others:
        also = (
            f"{plural(others, f'other {noun}')} ended by "
            f"{'itself' if others == 1 else 'themselves'} too."
        )
    summary = " ".join(part for part in (also, calm.headline, calm.summary) if part)
    return Say(end_badge(worst, now), said, summary, call=calm.call)
