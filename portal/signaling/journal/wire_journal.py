"""The wire journal: every message sent or received, saved late rather than in the way, with a note
of what is missing.

The sessions' taps put records into memory, which takes microseconds; `WireJournal.run` saves them
in batches. A worker that dies loses at most about FLUSH_S of messages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db import Error

from dots_client import WireRecord
from portal.core.database import is_away
from portal.core.metrics import DROPPED_NOT_SAVED, JOURNAL_WAITING
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_recorder import RecordedMessage, SharedCapacity, WireRecorder
from portal.wire import services
from portal.wire.models import Direction, Topic
from portal.wire.services import Seen

logger = logging.getLogger(__name__)

FLUSH_S: Final = 1.0
MAX_BATCH: Final = 500
"""Messages that one statement writes."""
MAX_WAITING: Final = 20_000
"""Messages of all subscriptions that may wait for the database."""
LAST_FLUSH_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class NotKept:
    """`count` messages, the last of them at `at`, were dropped for lack of room."""

    count: int
    at: float


Entry = tuple[UUID, RecordedMessage | NotKept]


class WireJournal:
    """One journal for all sessions of a worker."""

    def __init__(self, threads: DatabaseThreads, *, max_waiting: int = MAX_WAITING) -> None:
        self._threads = threads
        self._recorders: dict[UUID, WireRecorder] = {}
        self._room = SharedCapacity(max_waiting)
        self._batch: list[Entry] = []
        self._closing = asyncio.Event()
        JOURNAL_WAITING.set_function(lambda: max_waiting - self._room.places + len(self._batch))

    def recorder(self, subscription_id: UUID) -> WireRecorder:
        """The recorder of this subscription; its `tap` is the sessions' wire tap."""
        if subscription_id not in self._recorders:
            self._recorders[subscription_id] = WireRecorder(self._room)
        return self._recorders[subscription_id]

    async def run(self) -> None:
        """Run until `close`."""
        is_last = False
        while not is_last:
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._closing.wait()
            except TimeoutError:
                pass
            is_last = self._closing.is_set()
            while await self.flush():
                continue

    async def close(self, running: asyncio.Task[None]) -> None:
        """Save the last messages if the database accepts them in time. A write under way is not
        repeated.
        """
        self._closing.set()
        _, late = await asyncio.wait({running}, timeout=LAST_FLUSH_S)
        if late:
            running.cancel()
            logger.warning("wire journal: the last messages were not saved")

    async def flush(self) -> bool:
        """Write one batch; returns whether more messages wait. A batch that the database cannot
        accept now is kept.
        """
        if not self._batch:
            self._batch = self._take()
        if not self._batch:
            return False
        try:
            lost = await self._threads.run(_write, self._batch)
        except Error as error:
            if not is_away(error):
                raise
            logger.warning("wire journal: the database is away: %s", error)
            return False
        self._batch = []
        for subscription_id, count in lost.items():
            self.recorder(subscription_id).count_lost(time.time(), count)
            DROPPED_NOT_SAVED.inc(count)
        return any(one.waiting for one in self._recorders.values())

    def drop_batch(self) -> None:
        """Give up a batch that cannot be written; the journal shows that it is missing."""
        lost, self._batch = self._batch, []
        for subscription_id, entry in lost:
            own = self.recorder(subscription_id)
            if isinstance(entry, NotKept):
                own.count_lost(entry.at, entry.count)
            else:
                own.count_lost(entry.record.at)
                DROPPED_NOT_SAVED.inc()

    def _take(self) -> list[Entry]:
        taken: list[Entry] = []
        for subscription_id, one in self._recorders.items():
            if one.not_kept:
                taken.append((subscription_id, NotKept(one.not_kept, one.not_kept_at)))
                one.not_kept = 0
            while one.waiting and len(taken) < MAX_BATCH:
                taken.append((subscription_id, one.waiting.popleft()))
                self._room.release(1)
        return taken


def _write(entries: list[Entry]) -> dict[UUID, int]:
    """Runs in a database thread: decoding a body takes longer than recording it."""
    return services.record(list(_seen(entries)))


def _seen(entries: list[Entry]) -> Iterator[tuple[UUID, Seen]]:
    for subscription_id, entry in entries:
        if isinstance(entry, NotKept):
            seen = Seen(at=_instant(entry.at), direction=Direction.NOT_KEPT, count=entry.count)
        else:
            seen = seen_of(entry)
        yield subscription_id, seen


def seen_of(noted: RecordedMessage) -> Seen:
    record = noted.record
    return Seen(
        at=_instant(record.at),
        direction=Direction(record.direction),
        topic=Topic(noted.subject.topic),
        mid=noted.subject.mid,
        kind=record.kind,
        code=record.code,
        method=noted.subject.method,
        path=noted.subject.path,
        options=record.options,
        body=_json(record),
        not_read=record.not_read,
        octets=record.message,
        run=noted.run,
        copy=noted.copy,
    )


def _json(record: WireRecord) -> str:
    body = record.body
    return "" if body is None else json.dumps(body)


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
