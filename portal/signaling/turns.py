"""Turns of statements that many callers share."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Final

from portal.signaling.async_events import loop_time

EVERY_S: Final = 0.05
"""Between two turns in a rush, so that more callers share a statement."""
BURST: Final = 4
"""Turns without a pause after a quiet time, so that a person who is alone does not wait."""


class Turns:
    """A leaky bucket that holds BURST turns and loses one each EVERY_S."""

    def __init__(self) -> None:
        self._paced_at = -inf
        "when the next turn is due if all of them come evenly, EVERY_S apart"

    async def next(self) -> None:
        """Wait for the next turn, and at least until the event loop has run what is ready."""
        now = loop_time()
        starts_at = max(now, self._paced_at - (BURST - 1) * EVERY_S)
        self._paced_at = max(starts_at, self._paced_at) + EVERY_S
        await asyncio.sleep(starts_at - now)
