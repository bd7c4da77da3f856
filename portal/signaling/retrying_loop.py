"""Repeat work for as long as its session lasts, in spite of single failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dots_client import SessionClosed

logger = logging.getLogger(__name__)

PAUSE_S: Final = 1.0
MAX_FAILED: Final = 3
"""Failures in a row."""


async def loop_with_retries(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Call `work` forever. An exception ends only one call, because losing the session may start
    standby plans.

    After MAX_FAILED failures in a row, raise the last exception, so that a new session starts from
    a clean state.
    """
    failed = 0
    while True:
        try:
            await work()
            failed = 0
        except SessionClosed:
            raise
        except Exception:
            # Any defect in `work` may pass; the session must not end because of one.
            failed += 1
            if failed == MAX_FAILED:
                raise
            logger.exception("%s: failed, trying again", name)
            await asyncio.sleep(PAUSE_S)
