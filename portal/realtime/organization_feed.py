"""The live events of one organization, passed on to all its sockets of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
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
GAP_WAIT_S: Final = 0.1
"""How long the events after a gap wait for those before them. Several processes send events of one
organization, so in a rush a broadcast often overtakes another one.
"""
LATE_S: Final = 0.5
"""How late a broadcast may come before its event is read from the table."""
MAX_AFTER_GAP: Final = READ_BATCH
"""Events that wait; with more the table is read at once."""


class OrganizationFeed:
    """Puts broadcasts in order, fills gaps from the table, and passes each event on once."""

    def __init__(self, organization_id: UUID, seq: int, on_behind: Callable[[], None]) -> None:
        """`seq`: see below. `on_behind`: called when `catch_up` is needed."""
        self.organization_id = organization_id
        self._on_behind = on_behind
        self.sockets: set[OpenSocket] = set()
        self.seq = seq
        "the number of the last event that was passed on, or that needs not be"
        self.is_behind = False
        "broadcasts are only noted: the table is read first"
        self._heard = seq
        "the highest number that exists, as far as known"
        self._after_gap: dict[int, EventFrame] = {}
        self._gap_timer: asyncio.TimerHandle | None = None
        self._pace = NumbersPace()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, events: Sequence[EventFrame]) -> None:
        """Take a broadcast of consecutive events: pass on those that are new, and those that waited
        for them.
        """
        self._heard = max(self._heard, events[-1]["seq"])
        if self.is_behind:
            return
        waiting = self._after_gap
        waiting.update({event["seq"]: event for event in events if event["seq"] > self.seq})
        new: list[EventFrame] = []
        while next_one := waiting.pop(self.seq + len(new) + 1, None):
            new.append(next_one)
        if new:
            self._forget_gap_timer()
            self._pass_on(new)
        if len(waiting) > MAX_AFTER_GAP:
            self.fall_behind()
        elif waiting and self._gap_timer is None:
            self._fall_behind_in(GAP_WAIT_S)

    def expect(self, seq: int) -> None:
        """An event of this number is in the table: its broadcast comes soon, or is lost."""
        self._heard = max(self._heard, seq)
        if seq > self.seq and not self.is_behind and self._gap_timer is None:
            self._fall_behind_in(LATE_S)

    def fall_behind(self) -> None:
        """Some event may be missing: it has to be read from the table."""
        self._begin_catching_up()
        self._on_behind()

    async def catch_up(self) -> None:
        """Read the table until no event is missing."""
        self._begin_catching_up()
        read = database_sync_to_async(queries.events_after)
        while self.is_behind:
            # Their events were committed before this read, so what it does not find is gone.
            expected = self._heard
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
        self._forget_gap_timer()
        self._stop_pacing()

    def _fall_behind_in(self, delay_s: float) -> None:
        self._gap_timer = asyncio.get_running_loop().call_later(delay_s, self.fall_behind)

    def _begin_catching_up(self) -> None:
        self._forget_gap_timer()
        self._after_gap.clear()
        self.is_behind = True

    def _forget_gap_timer(self) -> None:
        if self._gap_timer is not None:
            self._gap_timer.cancel()
            self._gap_timer = None

    def _stop_pacing(self) -> None:
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
        self._stop_pacing()
        if self._pace.due_at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._pace.due_at, self._send_due)

    def _send_due(self) -> None:
        self._send(self._pace.due(now()))
