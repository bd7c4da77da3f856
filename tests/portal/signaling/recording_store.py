"""A store that records the writes instead of making them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.fenced_store import FencedStore
from portal.signaling.lease_fence import LeaseFence, boottime


class RecordingStore(FencedStore):
    def __init__(self) -> None:
        super().__init__(
            subscription_id=uuid4(),
            owner="me",
            threads=cast(DatabaseThreads, None),
            fence=LeaseFence(asked_at=boottime()),
        )
        self.writes: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
        self.writes.append((call, kwargs))
