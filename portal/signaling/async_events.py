"""What asyncio lacks: waiting for one of several events, and the loop's time in a word."""

from __future__ import annotations

import asyncio


async def wait_for_any(*events: asyncio.Event, within_s: float | None = None) -> None:
    """Return when any of the events is set, or after `within_s` seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def loop_time() -> float:
    """Seconds of the running event loop's monotonic clock."""
    return asyncio.get_running_loop().time()
