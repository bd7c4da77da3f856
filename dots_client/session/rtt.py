"""Round-trip time of one session, estimated as in RFC 6298."""

from __future__ import annotations

from typing import Final

ALPHA: Final = 1 / 8
BETA: Final = 1 / 4
MAX_SAMPLE_S: Final = 60.0
"""A later answer says more about the peer than about the path."""


class RttEstimator:
    """Takes samples only from answers that match exactly one transmission (Karn's algorithm)."""

    def __init__(self) -> None:
        self._smoothed: float | None = None
        self._variation = 0.0

    @property
    def rtt_s(self) -> float | None:
        """The smoothed round-trip time; None before the first sample."""
        return self._smoothed

    @property
    def timeout_s(self) -> float | None:
        """The retransmission timeout in seconds; None before the first sample."""
        return None if self._smoothed is None else self._smoothed + 4 * self._variation

    def add(self, sample_s: float) -> None:
        """Add a sample in seconds (RFC 6298 section 2)."""
        if not 0 <= sample_s <= MAX_SAMPLE_S:
            return
        if self._smoothed is None:
            self._smoothed = sample_s
            self._variation = sample_s / 2
            return
        deviation = abs(self._smoothed - sample_s)
        self._variation = (1 - BETA) * self._variation + BETA * deviation
        self._smoothed = (1 - ALPHA) * self._smoothed + ALPHA * sample_s
