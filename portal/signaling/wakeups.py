"""Wake-ups: every signal worker receives each of them, and the one that owns the subscription reads
the row that it names, or all (ADR 1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import UUID

from channels.layers import get_channel_layer

from portal.core.broadcast import SIGNAL_WORKERS

logger = logging.getLogger(__name__)

HEAR_AGAIN_S: Final = 2.0
"""After a failure of Redis. Each worker's sweep makes up for wake-ups lost meanwhile."""


Wake: TypeAlias = Callable[[UUID, UUID | None], object]
"""Takes a subscription and the mitigation that changed; None: any of its rows may have changed."""


async def listen(wake: Wake) -> None:
    """Call `wake` for each wake-up. Runs until cancelled."""
    while True:
        try:
            await _listen(wake)
        except Exception:
            # The channel layer raises its own errors and those of Redis and sockets.
            logger.exception("cannot receive wake-ups")
            await asyncio.sleep(HEAR_AGAIN_S)


async def _listen(wake: Wake) -> None:
    layer = get_channel_layer()
    assert layer is not None, "settings always name a channel layer"
    channel = await layer.new_channel()
    await layer.group_add(SIGNAL_WORKERS, channel)
    while True:
        message = await layer.receive(channel)
        # Processes of the previous release name no mitigation.
        named = message.get("mitigation")
        wake(UUID(message["subscription"]), UUID(named) if named else None)
