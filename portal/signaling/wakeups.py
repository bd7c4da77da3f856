"""Wake-ups: every signal worker receives each of them, and the one that owns the subscription reads
its rows (ADR 1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from channels.layers import get_channel_layer

from portal.core.broadcast import SIGNAL_WORKERS

logger = logging.getLogger(__name__)

HEAR_AGAIN_S: Final = 2.0
"""After a failure of Redis. Each worker's sweep makes up for wake-ups lost meanwhile."""


async def listen(wake: Callable[[UUID], object]) -> None:
    """Call `wake` with each subscription whose rows changed. Runs until cancelled."""
    while True:
        try:
            await _listen(wake)
        except Exception:
            # The channel layer raises errors of Redis, of sockets and of its own.
            logger.exception("cannot receive wake-ups")
            await asyncio.sleep(HEAR_AGAIN_S)


async def _listen(wake: Callable[[UUID], object]) -> None:
    layer = get_channel_layer()
    assert layer is not None, "settings always name a channel layer"
    channel = await layer.new_channel()
    await layer.group_add(SIGNAL_WORKERS, channel)
    while True:
        message = await layer.receive(channel)
        wake(UUID(message["subscription"]))
