"""Channels and what their receivers answered, in people's words."""

from __future__ import annotations

from typing import Final

from portal.notifications.channels.models import NoticeChannel, OffBecause
from portal.notifications.message import Outcome, Severity
from portal.wording.facts import Badge

ON: Final = Badge("Delivers", "disc-tick", "good")
UNUSED: Final = Badge("Not tried yet", "ring-dot", "idle")
FAILING: Final = Badge("Fails", "triangle", "warn")
OFF: Final = Badge("Switched off", "pause", "idle")
GONE: Final = Badge("Switched off by the portal", "octagon", "bad")

MIN_SEVERITIES: Final = {
    Severity.INFO: "Everything",
    Severity.WARNING: "What a person should act on soon, and what is critical",
    Severity.CRITICAL: "Only what is critical: no provider protects a target",
}
SEVERITIES: Final = {
    Severity.CRITICAL: "Critical",
    Severity.WARNING: "Warning",
    Severity.INFO: "Information",
    Severity.RESOLVED: "Over",
}
_OUTCOMES: Final = {
    Outcome.SENT: Badge("Delivered", "disc-tick", "good"),
    Outcome.RETRY: Badge("Failed", "triangle", "warn"),
    Outcome.REFUSED: Badge("Refused", "octagon", "bad"),
    Outcome.GONE: Badge("Gone", "octagon", "bad"),
}
_MEANS: Final = {
    Outcome.SENT: "The receiver took it.",
    Outcome.RETRY: "The receiver could not take it now. A notice would be tried again.",
    Outcome.REFUSED: "The receiver refused it. A notice would not be tried again.",
    Outcome.GONE: "The receiver wants no more notices, so the portal switched the channel off.",
}


def badge(channel: NoticeChannel) -> Badge:
    """The state of the channel."""
    if not channel.is_enabled:
        return GONE if channel.off_because == OffBecause.GONE else OFF
    if channel.is_failing:
        return FAILING
    return ON if channel.last_success_at else UNUSED


def troubles(channel: NoticeChannel) -> list[str]:
    """What an admin should look at, as sentences."""
    if not channel.is_enabled and channel.off_because == OffBecause.GONE:
        return [f"Its receiver wants no more notices: {channel.last_answer}"]
    if channel.is_enabled and channel.is_failing:
        count = channel.failures
        which = "The last try" if count == 1 else f"The last {count:,} tries"
        return [f"{which} failed: {channel.last_answer}"]
    return []


def outcome(value: str) -> Badge:
    return _OUTCOMES[Outcome(value)]


def means(value: str) -> str:
    """What an outcome says about the next notice, after a test."""
    return _MEANS[Outcome(value)]


def severity(value: str) -> str:
    return SEVERITIES[Severity(value)]
