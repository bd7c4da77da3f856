from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer, get_channel_layer

from portal.core.broadcast import SIGNAL_WORKERS, wake_on_commit
from portal.signaling import wakeups
from portal.signaling.tasks import reconcile
from tests.dots_client.transport.loopback import until
from tests.portal.signaling.session_managers import db

SUBSCRIPTION = uuid4()
MITIGATION = uuid4()
WITHIN_S = 5.0
Woken: TypeAlias = tuple[UUID, UUID | None]


@pytest.fixture
async def heard() -> AsyncIterator[asyncio.Queue[Woken]]:
    """The wake-ups that a signal worker receives."""
    layer = get_channel_layer()
    assert isinstance(layer, InMemoryChannelLayer)
    queue: asyncio.Queue[Woken] = asyncio.Queue()

    def wake(subscription: UUID, mitigation: UUID | None) -> None:
        queue.put_nowait((subscription, mitigation))

    listening = asyncio.create_task(wakeups.listen(wake))
    await until(lambda: bool(layer.groups.get(SIGNAL_WORKERS)))
    yield queue
    listening.cancel()
    await asyncio.wait([listening])


@pytest.mark.django_db(transaction=True)
async def test_a_commit_wakes_the_signal_workers(heard: asyncio.Queue[Woken]) -> None:
    for mitigation in (None, MITIGATION):
        await db(partial(wake_on_commit, SUBSCRIPTION, mitigation))

        async with asyncio.timeout(WITHIN_S):
            assert await heard.get() == (SUBSCRIPTION, mitigation)


async def test_a_task_of_the_previous_release_wakes_them_too(heard: asyncio.Queue[Woken]) -> None:
    await sync_to_async(reconcile)(str(SUBSCRIPTION))

    async with asyncio.timeout(WITHIN_S):
        assert await heard.get() == (SUBSCRIPTION, None)
