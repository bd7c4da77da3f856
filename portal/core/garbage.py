"""How often Python searches all objects of a process for cycles that nothing uses any more."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_EVERY: Final = 10_000
"""New objects between two collections of the youngest generation, instead of 700. One request makes
thousands, nearly all of which end with it.
"""
FULL_EVERY: Final = 100
"""Collections of the middle generation between two full ones, instead of 10."""


def collect_rarely() -> None:
    """Call it when all modules are loaded.

    A full collection stops every thread, for 0.5 s and more in a web process during a rush or in a
    worker with 1,000 sessions, and finds next to nothing: almost everything ends without a cycle.
    Those of the younger generations take a few milliseconds.
    """
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(YOUNG_EVERY, middle, FULL_EVERY)
    gc.collect()
    # Modules and classes stay for good: they need not be looked at again.
    gc.freeze()
