"""Wake-ups that one signal worker took for a session of another: all hear of them, and the one that holds it looks."""

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
"""After Redis was away. What is not heard meanwhile costs a moment: each worker's sweep looks anyway."""


async def listen(wake: Callable[[UUID], object]) -> None:
    """Call `wake` with each subscription somebody was woken for in vain. Until cancelled."""
    while True:
        try:
            await _listen(wake)
        except Exception:
            # The channel layer raises errors of Redis, of sockets and of its own.
            logger.exception("hears no wake-ups of other workers")
            await asyncio.sleep(HEAR_AGAIN_S)


async def _listen(wake: Callable[[UUID], object]) -> None:
    layer = get_channel_layer()
    assert layer is not None, "settings always name a channel layer"
    channel = await layer.new_channel()
    await layer.group_add(SIGNAL_WORKERS, channel)
    while True:
        message = await layer.receive(channel)
        wake(UUID(message["subscription"]))
