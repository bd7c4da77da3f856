"""Work that goes on for as long as a session, a round at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dots_client import SessionClosed

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
MAX_FAILED: Final = 3
"""Rounds in a row."""


async def in_rounds(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Call `work` without end. A defect costs a round, since losing the session may set off plans at the provider; raises
    what the last of MAX_FAILED rounds raised, so that a new session begins with nothing that may be wrong in this one.
    """
    failed = 0
    while True:
        try:
            await work()
            failed = 0
        except SessionClosed:
            raise
        except Exception:
            failed += 1
            if failed == MAX_FAILED:
                raise
            logger.exception("%s: a round failed", name)
            await asyncio.sleep(PAUSE_S)
