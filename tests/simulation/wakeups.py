"""The channel layer of a life: wake-ups reach the workers at once, or are lost with Redis."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from channels.layers import BaseChannelLayer


class WakeupLayer(BaseChannelLayer):
    """`loses` decides for each message whether it is lost."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.forget()

    def forget(self) -> None:
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._groups: defaultdict[str, list[str]] = defaultdict(list)
        self.loses = _never

    async def new_channel(self, prefix: str = "") -> str:
        name = f"channel{len(self._queues)}"
        self._queues[name] = asyncio.Queue()
        return name

    async def group_add(self, group: str, channel: str) -> None:
        self._groups[group].append(channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        for channel in self._groups[group]:
            if not self.loses():
                self._queues[channel].put_nowait(message)

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self._queues[channel].get()


def _never() -> bool:
    return False
