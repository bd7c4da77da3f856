"""What staff read about their customers: a badge and a sentence for each concern."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from portal.core.formatting import plural
from portal.wording.facts import Badge


@dataclass(frozen=True, slots=True)
class ConcernWords:
    """The badge, the sentence for a count, and what its time says."""

    badge: Badge
    sentence: Callable[[int], str]
    when: str = "since"


WORDS: Final = {
    "failing": ConcernWords(
        Badge("Failing", "octagon", "bad"),
        lambda count: f"No provider has confirmed help for {plural(count, 'request')}.",
    ),
    "no_answer": ConcernWords(
        Badge("No answer", "triangle", "warn"),
        lambda count: f"A provider has not answered {plural(count, 'request')}.",
    ),
    "over_capacity": ConcernWords(
        Badge("Over capacity", "triangle", "warn"),
        lambda count: f"A provider cannot filter all of the attack on {plural(count, 'request')}.",
    ),
    "live": ConcernWords(
        Badge("Live", "shield", "info"),
        lambda count: f"It has {plural(count, 'live request')}.",
    ),
    "session_down": ConcernWords(
        Badge("Unreachable", "octagon", "bad"),
        lambda count: f"{plural(count, 'provider')} cannot be reached.",
    ),
    "certificate_ended": ConcernWords(
        Badge("Certificate ended", "octagon", "bad"),
        lambda count: f"{plural(count, 'client certificate')} ended, so providers accept nothing.",
    ),
    "certificate_ending": ConcernWords(
        Badge("Certificate ends", "clock", "warn"),
        lambda count: f"{plural(count, 'client certificate')} to replace soon.",
        "ends",
    ),
    "no_provider": ConcernWords(
        Badge("Not ready", "triangle", "warn"), lambda _: "It has no provider to ask."
    ),
    "no_resource": ConcernWords(
        Badge("Not ready", "triangle", "warn"), lambda _: "It has no verified resource."
    ),
    "no_admin": ConcernWords(
        Badge("Not ready", "triangle", "warn"), lambda _: "It has no admin who can sign in."
    ),
    "awaiting_approval": ConcernWords(
        Badge("Awaiting approval", "hourglass", "warn"),
        lambda count: f"{plural(count, 'request')} waiting for approval.",
    ),
    "suspended": ConcernWords(Badge("Suspended", "pause", "idle"), lambda _: "Staff suspended it."),
    "closed": ConcernWords(
        Badge("Closed", "ring", "idle"), lambda _: "Its people cannot sign in to it."
    ),
}
"""By the concern's code."""
