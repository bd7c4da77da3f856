"""Reads the event log and checks access for all open sockets of this process at once, so that an
idle socket costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.utils import timezone
from redis.exceptions import RedisError

from portal.core.broadcast import EVENT_READERS, organization_group, user_group
from portal.core.database import is_away
from portal.core.errors import PortalError
from portal.core.metrics import OPEN_SOCKETS
from portal.events import queries
from portal.realtime.access import admit_all, note_use
from portal.realtime.open_socket import (
    CLOSE_NOT_A_MEMBER,
    CLOSE_TRY_AGAIN,
    OpenSocket,
    close_code,
    now,
)
from portal.realtime.organization_feed import OrganizationFeed

logger = logging.getLogger(__name__)

LOOK_AGAIN_S: Final = 2.5
"""The counters of the logs are read after this long at the latest. With `LATE_S` this limits the
effect of a lost broadcast to 3 s. Sockets that were silent for half of it then send a heartbeat:
one at least every 3.8 s.
"""
ADMIT_AGAIN_S: Final = 10.0
"""How long access can last after it ended without a message."""
NOTE_AGAIN_S: Final = 60.0
"""How often pages that count as use are noted."""
JOIN_TIMEOUT_S: Final = 2.0


class LogReader:
    """One for the event loop of a web process; it runs while a socket is open.

    Four tasks: `_look` reads the log, `_listen` receives broadcasts, `_join` follows the groups of
    the organizations and persons that have sockets, and `_admit` checks access. If one fails, every
    socket closes with CLOSE_TRY_AGAIN, and its client connects again.
    """

    def __init__(self) -> None:
        self._feeds: dict[UUID, OrganizationFeed] = {}
        self._of_person: defaultdict[UUID, set[OpenSocket]] = defaultdict(set)
        self._channel: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._joined: set[str] = set()
        self._must_join = asyncio.Event()
        self._must_look = asyncio.Event()
        self._must_admit = asyncio.Event()
        self._look_at = now() + LOOK_AGAIN_S
        self._admit_at = now() + ADMIT_AGAIN_S
        self._note_at = now() + NOTE_AGAIN_S
        # It outlives the socket that starts it, so it must not inherit what that one set.
        self._task = asyncio.create_task(self._run(), context=Context())

    @property
    def count(self) -> int:
        """How many sockets are open."""
        return sum(map(len, self._of_person.values()))

    def count_of(self, user_id: UUID) -> int:
        """How many sockets of this person are open."""
        return len(self._of_person.get(user_id, ()))

    def attach(self, socket: OpenSocket, last_seq: int) -> None:
        """Send live events to this socket from now on.

        `last_seq`: the number of the organization's newest event, read a moment ago. The socket
        reads the events up to it from the table.
        """
        feed = self._feeds.get(socket.organization_id)
        if feed is None:
            feed = OrganizationFeed(socket.organization_id, last_seq, self._must_look.set)
            self._feeds[socket.organization_id] = feed
        feed.sockets.add(socket)
        self._of_person[socket.user_id].add(socket)
        if user_group(socket.user_id) in self._joined:
            # Access may have ended while the socket opened. Joining the group checks too.
            self._doubt(socket.user_id)
        if socket.acts_until is not None:
            left_s = (socket.acts_until - timezone.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(0, left_s), self._doubt, socket.user_id)
        self._must_join.set()

    async def detach(self, socket: OpenSocket) -> None:
        """Send it nothing more. Nothing happens if it was detached already."""
        feed = self._feeds.get(socket.organization_id)
        if feed is not None:
            feed.sockets.discard(socket)
            if not feed.sockets:
                feed.stop()
                del self._feeds[socket.organization_id]
        self._of_person[socket.user_id].discard(socket)
        if not self._of_person[socket.user_id]:
            del self._of_person[socket.user_id]
        self._must_join.set()
        if not self._feeds:
            _forget(self)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2 * JOIN_TIMEOUT_S)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self._look, self._listen, self._join, self._admit):
                    tasks.create_task(part())
        except ExceptionGroup as failed:
            if all(is_away(one) or isinstance(one, TimeoutError) for one in failed.exceptions):
                logger.warning("event sockets closed: %s", failed.exceptions[0])
            else:
                logger.exception("event sockets closed")
        finally:
            _forget(self)
            for feed in self._feeds.values():
                feed.end(CLOSE_TRY_AGAIN)
            await self._leave_all()

    # The log.

    async def _look(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._look_at):
                    await self._must_look.wait()
            self._must_look.clear()
            for feed in [feed for feed in self._feeds.values() if feed.is_behind]:
                await feed.catch_up()
            if now() >= self._look_at:
                await self._look_at_all()
                self._look_at = now() + LOOK_AGAIN_S

    async def _look_at_all(self) -> None:
        known = {feed.organization_id: feed.seq for feed in self._feeds.values()}
        newest = await database_sync_to_async(queries.last_seqs)(list(known))
        silent_since = now() - LOOK_AGAIN_S / 2
        for organization_id, seq in known.items():
            feed = self._feeds.get(organization_id)
            if feed is None:
                continue
            last = newest.get(organization_id, 0)
            if last < seq:
                # The database was restored: each reader has to start from an existing number.
                feed.end(CLOSE_TRY_AGAIN)
            elif last > feed.seq:
                feed.expect(last)
            else:
                feed.beat(silent_since)

    # Broadcasts.

    async def _listen(self) -> None:
        channel, layer = await self._channel, _channel_layer()
        while True:
            message = await layer.receive(channel)
            if message["type"] == "access.changed":
                self._doubt(_id_in(message, "user"))
            elif message["type"] == "events":
                for one in message["messages"]:
                    self._hear(one)
            else:
                self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        if (organization_id := _id_in(message, "organization")) is None:
            self._look_at = now()
            self._must_look.set()
        elif feed := self._feeds.get(organization_id):
            feed.hear([*message.get("earlier", ()), message["event"]])

    async def _join(self) -> None:
        # Its cancellation may get lost: `wait_for` of Python 3.11, which the client of Redis uses,
        # returns a result that came in the same moment instead.
        while self._feeds:
            wait_s = None
            try:
                await self._join_and_leave()
            except (RedisError, OSError, TimeoutError) as error:
                # Until it works, the look every few seconds replaces live updates.
                logger.warning("event sockets read the table only: %s", error)
                wait_s = LOOK_AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._must_join.wait()
            self._must_join.clear()

    async def _join_and_leave(self) -> None:
        layer = _channel_layer()
        if not self._channel.done():
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                self._channel.set_result(await layer.new_channel())
        for group, joined in list(self._groups()):
            if group not in self._joined:
                async with asyncio.timeout(JOIN_TIMEOUT_S):
                    await layer.group_add(group, self._channel.result())
                self._joined.add(group)
                joined()
        for group in self._joined - {group for group, _ in self._groups()}:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                await layer.group_discard(group, self._channel.result())
            self._joined.discard(group)

    def _groups(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """The groups to be in, each with what to do once it is joined: look for what was sent to it
        just before.
        """
        if self._feeds:
            yield EVENT_READERS, self._miss_any
        for organization_id in self._feeds:
            yield organization_group(organization_id), partial(self._miss, organization_id)
        for user_id in self._of_person:
            yield user_group(user_id), partial(self._doubt, user_id)

    def _miss(self, organization_id: UUID) -> None:
        if feed := self._feeds.get(organization_id):
            feed.fall_behind()

    def _miss_any(self) -> None:
        for organization_id in self._feeds:
            self._miss(organization_id)

    async def _leave_all(self) -> None:
        layer = _channel_layer()
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._joined:
                    await layer.group_discard(group, self._channel.result())
        except (RedisError, OSError, TimeoutError) as error:
            # The channel ends with this reader, so messages that still arrive are dropped.
            logger.warning("event sockets did not leave their groups: %s", error)

    # Access.

    def _doubt(self, user_id: UUID | None) -> None:
        """Check the access of a person's sockets at once; None: of everyone's."""
        people = self._of_person if user_id is None else (user_id,)
        for person in people:
            for socket in self._of_person.get(person, ()):
                socket.is_doubtful = True
        self._must_admit.set()

    async def _admit(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._admit_at):
                    await self._must_admit.wait()
            self._must_admit.clear()
            sockets = [one for own in self._of_person.values() for one in own]
            if now() >= self._admit_at:
                self._admit_at = now() + ADMIT_AGAIN_S
            else:
                sockets = [socket for socket in sockets if socket.is_doubtful]
            for socket in sockets:
                socket.is_doubtful = False
            asked = [(socket.credential, socket.slug) for socket in sockets]
            for socket, answer in zip(
                sockets, await database_sync_to_async(admit_all)(asked), strict=True
            ):
                if isinstance(answer, PortalError):
                    socket.end(close_code(answer))
                elif answer.organization_id != socket.organization_id:
                    # Another organization has this name now.
                    socket.end(CLOSE_NOT_A_MEMBER)
            if now() >= self._note_at:
                self._note_at = now() + NOTE_AGAIN_S
                await self._note_use()

    async def _note_use(self) -> None:
        sockets = [one for own in self._of_person.values() for one in own]
        pages = [(one.credential, one.organization_id) for one in sockets if not one.close_code]
        await database_sync_to_async(note_use)(pages)


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, LogReader] = WeakKeyDictionary()
OPEN_SOCKETS.set_function(lambda: sum(reader.count for reader in list(_readers.values())))


def log_reader() -> LogReader:
    """The one of this event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _readers:
        _readers[loop] = LogReader()
    return _readers[loop]


def _forget(reader: LogReader) -> None:
    loop = asyncio.get_running_loop()
    if _readers.get(loop) is reader:
        del _readers[loop]


def _channel_layer() -> Any:
    layer = get_channel_layer()
    assert layer is not None, "settings always name a channel layer"
    return layer


def _id_in(message: dict[str, Any], key: str) -> UUID | None:
    """None: a process of the previous release sent the message."""
    return UUID(message[key]) if key in message else None
