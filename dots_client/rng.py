"""Randomness as an argument: `random.Random` and `random.SystemRandom` both fit."""

from __future__ import annotations

from typing import Protocol


class Rng(Protocol):
    """What the client asks of a source of chance."""

    def random(self) -> float:
        """A float in [0, 1)."""

    def uniform(self, a: float, b: float) -> float:
        """A float between `a` and `b`."""

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits."""
