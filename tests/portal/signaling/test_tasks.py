from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async

from portal.signaling import wakeups
from portal.signaling.tasks import reconcile

SUBSCRIPTION = uuid4()
WITHIN_S = 5.0


@pytest.fixture
async def heard() -> AsyncIterator[asyncio.Queue[UUID]]:
    """The wake-ups that another signal worker receives."""
    queue: asyncio.Queue[UUID] = asyncio.Queue()
    hearing = asyncio.create_task(wakeups.listen(queue.put_nowait))
    await asyncio.sleep(0.05)
    yield queue
    hearing.cancel()
    await asyncio.wait([hearing])


async def test_a_wake_up_for_a_session_of_another_worker_is_passed_on(
    heard: asyncio.Queue[UUID],
) -> None:
    for _ in range(2):
        assert await sync_to_async(reconcile)(str(SUBSCRIPTION)) == "owned elsewhere"

        async with asyncio.timeout(WITHIN_S):
            assert await heard.get() == SUBSCRIPTION
