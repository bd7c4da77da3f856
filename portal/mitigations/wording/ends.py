"""The first sentence of Now when something ended by itself and nothing is live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from portal.core.formatting import plural
from portal.mitigations.wording.facts import Asked
from portal.mitigations.wording.headlines import headline, look
from portal.mitigations.wording.sessions import Say


def ended_says(ended: Sequence[Asked], calm: Say, now: datetime, *, more: int = 0) -> Say:
    """The ends first, then how ready the organization is. `more`: the number of ends besides those in `ended`."""
    worst = ended[0]
    said = headline(worst, now)
    if worst.name not in said:
        said = f"{worst.name}: {said}"
    others = len(ended) - 1 + more
    also = ""
    if others:
        also = f"{plural(others, 'other request')} ended by {'itself' if others == 1 else 'themselves'} too."
    lead = " ".join(part for part in (also, calm.headline, calm.lead) if part)
    return Say(look(worst, now), said, lead, call=calm.call)
