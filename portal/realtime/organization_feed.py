"""The live events of one organization, passed on to all its sockets of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final
from uuid import UUID

from channels.db import database_sync_to_async

from portal.core.broadcast import EventFrame
from portal.events import queries
from portal.realtime.frames import EncodedEvent, heartbeat
from portal.realtime.numbers_pace import NumbersPace
from portal.realtime.open_socket import OpenSocket, now

READ_BATCH: Final = 100
"""Events per statement. A reader that keeps up has room for them in its outbox."""


class OrganizationFeed:
    """Puts broadcasts in order, fills gaps from the table, and passes each event on once."""

    def __init__(self, organization_id: UUID, seq: int) -> None:
        self.organization_id = organization_id
        self.sockets: set[OpenSocket] = set()
        self.seq = seq
        "the number of the last event that was passed on, or that needs not be"
        self.is_behind = False
        "broadcasts are only noted: the table is read first"
        self._heard = seq
        "the highest number that a broadcast named"
        self._pace = NumbersPace()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, events: Sequence[EventFrame]) -> None:
        """Take a broadcast of consecutive events: pass on those that are new, or be behind after a
        gap.
        """
        self._heard = max(self._heard, events[-1]["seq"])
        new = [event for event in events if event["seq"] > self.seq]
        if new and not self.is_behind and new[0]["seq"] == self.seq + 1:
            self._pass_on(new)
        elif new:
            self.is_behind = True

    async def catch_up(self, newest: int = 0) -> None:
        """Read the table until no event is missing, the one numbered `newest` included."""
        self.is_behind = True
        read = database_sync_to_async(queries.events_after)
        while self.is_behind:
            # Their events were committed before this read, so what it does not find is gone.
            expected = max(newest, self._heard)
            events = await read(self.organization_id, self.seq, limit=READ_BATCH)
            self._pass_on(event.as_message() for event in events)
            if len(events) < READ_BATCH:
                self.seq = max(self.seq, expected)
                self.is_behind = self._heard > self.seq

    def beat(self, silent_since: float) -> None:
        """Send a heartbeat on the sockets that have sent nothing since that time. Call after the
        table was read and had no news.
        """
        if self.is_behind or self._pace.due_at is not None:
            return
        beat = cache(heartbeat)
        for socket in self.sockets:
            if socket.has_everything and socket.spoke_at <= silent_since:
                socket.beat(beat(socket.sent))

    def end(self, code: int) -> None:
        self.stop()
        for socket in self.sockets:
            socket.end(code)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass_on(self, events: Iterable[EventFrame]) -> None:
        frames = [EncodedEvent(event) for event in events]
        if frames:
            self.seq = frames[-1].seq
            self._send(self._pace.put(frames, now()))

    def _send(self, frames: list[EncodedEvent]) -> None:
        if frames:
            for socket in self.sockets:
                socket.put(frames)
        self.stop()
        if self._pace.due_at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._pace.due_at, self._send_due)

    def _send_due(self) -> None:
        self._send(self._pace.due(now()))
