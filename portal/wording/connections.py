"""Sentences about an organization's connections with providers, and their certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from portal.core.formatting import ago, ahead, date
from portal.providers.certificate_validity import Validity
from portal.providers.models import SessionState
from portal.wording.facts import Badge

STATES: Final[Mapping[SessionState, Badge]] = {
    SessionState.UP: Badge("Connected", "disc-tick", "good"),
    SessionState.CONNECTING: Badge("Connecting", "hourglass", "warn"),
    SessionState.DOWN: Badge("Not connected", "octagon", "bad"),
}
NOT_ASKED: Final = Badge("Not asked", "ring", "idle")
NOT_USED: Final = Badge("Not used", "ring", "idle")
WAITS: Final = Badge("Waits for its certificate", "hourglass", "warn")
WARN_BEFORE_END: Final = timedelta(days=30)


def certificate_words(one: Validity, now: datetime) -> str:
    """The name of a certificate and when it ends."""
    if one.begins > now:
        return f"{one.name}: not valid until {date(one.begins)}."
    if one.ends <= now:
        return f"{one.name}: expired on {date(one.ends)}, {ago(one.ends, now)}."
    return f"{one.name}: valid until {date(one.ends)}, {ahead(one.ends, now)}."


def is_ending(one: Validity, now: datetime) -> bool:
    """Whether it is time to renew it."""
    return one.ends - now <= WARN_BEFORE_END
