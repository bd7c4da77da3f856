"""What ended by itself, in words, and the first sentence of a page where nothing is live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.core.formatting import plural
from portal.wording import plan_ends
from portal.wording.facts import Asked, Look
from portal.wording.headlines import headline, look
from portal.wording.sessions import Say


def end_sentence(asked: Asked, now: datetime) -> str:
    """How the request ended, or what was filtered for a plan."""
    return (
        plan_ends.ended_sentence(asked, now)
        if plan_ends.ended_mitigations(asked)
        else headline(asked, now)
    )


def end_look(asked: Asked, now: datetime) -> Look:
    stopped = plan_ends.ended_mitigations(asked)
    return plan_ends.ended_look(stopped) if stopped else look(asked, now)


def ended_says(
    ended: Sequence[Asked], calm: Say, now: datetime, *, more: int = 0, noun: str = "request"
) -> Say:
    """The ends first, then what else is true. `more`: the number of ends besides those in `ended`."""
    worst = ended[0]
    said = end_sentence(worst, now)
    if worst.name not in said:
        said = f"{worst.name}: {said}"
    others = len(ended) - 1 + more
    also = ""
    if others:
        also = f"{plural(others, f'other {noun}')} ended by {'itself' if others == 1 else 'themselves'} too."
    lead = " ".join(part for part in (also, calm.headline, calm.lead) if part)
    return Say(end_look(worst, now), said, lead, call=calm.call)
