"""How a server was reached before, which orders the next attempts (RFC 9132 section 4.3)."""

from __future__ import annotations

from typing import Final

from dots_client.session.happy_eyeballs import Candidate

HISTORY_LIFETIME_S: Final = 600.0
"""Seconds; afterwards no candidate is preferred."""


class ConnectionHistory:
    """The candidate that won last, and its round trip, for `lifetime_s` seconds."""

    def __init__(self, *, lifetime_s: float = HISTORY_LIFETIME_S) -> None:
        self._lifetime_s = lifetime_s
        self._winner: Candidate | None = None
        self._until = 0.0
        self._measured: tuple[Candidate, float, float] | None = None
        "candidate, round trip in seconds, and until when they count"

    def won(self, candidate: Candidate, *, now: float) -> None:
        """The first session was opened over `candidate`."""
        self._winner = candidate
        self._until = now + self._lifetime_s

    def preferred(self, *, now: float) -> Candidate | None:
        """The candidate to try first, or None."""
        return self._winner if now < self._until else None

    def measured(self, candidate: Candidate, *, rtt_s: float, now: float) -> None:
        """A session over `candidate` ended with this estimate of its round trip."""
        self._measured = candidate, rtt_s, now + self._lifetime_s

    def rtt_s(self, candidate: Candidate | None = None, *, now: float) -> float | None:
        """The round trip in seconds over `candidate`, or over the last one if it is None.

        None if unknown.
        """
        if self._measured is None:
            return None
        measured, rtt_s, until = self._measured
        return rtt_s if candidate in (None, measured) and now < until else None
