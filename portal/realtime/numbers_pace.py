"""Limits how often the numbers of an organization go to its readers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from portal.realtime.frames import EncodedEvent, fold

NUMBERS_EVERY_S: Final = 2.0
"""Numbers leave at most this often, and then the newest of each mitigation together."""
FOLD_ABOVE: Final = 100
"""Waiting frames, before older numbers among them are removed."""


class NumbersPace:
    """Holds back numbers for a moment; times are seconds of a monotonic clock.

    An event of another kind never waits. It takes the numbers before it along, since readers
    continue from the number of the last frame.
    """

    def __init__(self) -> None:
        self._held: list[EncodedEvent] = []
        self._fold_above = FOLD_ABOVE
        self._left_at = -math.inf

    def put(self, frames: Iterable[EncodedEvent], now: float) -> list[EncodedEvent]:
        """The frames that leave now, in order: none, or all that wait and `frames`."""
        frames = list(frames)
        self._held.extend(frames)
        if any(not frame.is_numbers for frame in frames):
            return self._release(now)
        if len(self._held) > self._fold_above:
            self._held = fold(self._held)
            self._fold_above = FOLD_ABOVE + 2 * len(self._held)
        return self.due(now)

    def due(self, now: float) -> list[EncodedEvent]:
        return self._release(now) if self.due_at is not None and now >= self.due_at else []

    @property
    def due_at(self) -> float | None:
        """When the waiting frames leave at the latest; None if none waits."""
        return self._left_at + NUMBERS_EVERY_S if self._held else None

    def _release(self, now: float) -> list[EncodedEvent]:
        frames, self._held, self._fold_above = fold(self._held), [], FOLD_ABOVE
        if any(frame.is_numbers for frame in frames):
            self._left_at = now
        return frames
