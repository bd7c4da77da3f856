"""How a server was reached before, for the next connection to it (RFC 9132 section 4.3)."""

from __future__ import annotations

from typing import Final

from dots_client.session.happy_eyeballs import Candidate

HISTORY_LIFETIME_S: Final = 600.0
"""Afterwards the addresses and transports race again without a favourite."""


class ConnectionHistory:
    """How a server was reached last, for as long as that says something."""

    def __init__(self, *, lifetime_s: float = HISTORY_LIFETIME_S) -> None:
        self._lifetime_s = lifetime_s
        self._winner: Candidate | None = None
        self._until = 0.0
        self._measured: tuple[Candidate, float, float] | None = None
        "which way, its round trip, and until when that says something"

    def won(self, candidate: Candidate, *, now: float) -> None:
        self._winner = candidate
        self._until = now + self._lifetime_s

    def preferred(self, *, now: float) -> Candidate | None:
        """What to try first."""
        return self._winner if now < self._until else None

    def measured(self, candidate: Candidate, *, rtt_s: float, now: float) -> None:
        self._measured = candidate, rtt_s, now + self._lifetime_s

    def rtt_s(self, candidate: Candidate | None = None, *, now: float) -> float | None:
        """The round trip that was measured on the same way; without one, on whichever was last."""
        if self._measured is None:
            return None
        measured, rtt_s, until = self._measured
        return rtt_s if candidate in (None, measured) and now < until else None
