"""The event socket: every event after a number from the table, then live events, without gap or
repeat.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error
from redis.exceptions import RedisError

from portal.core.broadcast import (
    AccessChanged,
    EventFrame,
    EventMessage,
    organization_group,
    user_group,
)
from portal.core.database import is_away
from portal.core.errors import NotSignedIn, PortalError
from portal.core.numbers import whole_number
from portal.events import queries
from portal.organizations.models import Membership
from portal.realtime.access import admit, credential_of

logger = logging.getLogger(__name__)

CLOSE_MALFORMED: Final = 4400
CLOSE_NOT_SIGNED_IN: Final = 4401
CLOSE_NOT_A_MEMBER: Final = 4403
CLOSE_NO_SUCH_SOCKET: Final = 4404
CLOSE_TOO_MANY: Final = 4429
CLOSE_TRY_AGAIN: Final = 1013

LOOK_AGAIN_S: Final = 3.0
"""A quiet socket rereads the table and sends a heartbeat after this long, which limits the effect
of a lost broadcast.
"""
HEARTBEAT: Final = "heartbeat"
"""The type of that frame. No event has it."""
ADMIT_AGAIN_S: Final = 10.0
"""How long access can last after it ended without a message."""
PENDING_EVENTS: Final = 100
"""Live events buffered for a slow reader. Dropped ones are read from the table."""
REPLAY_BATCH: Final = 200
SEND_TIMEOUT_S: Final = 10.0
JOIN_TIMEOUT_S: Final = 2.0
SOCKETS_PER_PERSON: Final = 20
"""In one process."""

_open_sockets: Counter[UUID] = Counter()


class NoSuchSocket(AsyncWebsocketConsumer):
    """Any other socket path."""

    async def connect(self) -> None:
        await self.close(CLOSE_NO_SUCH_SOCKET)


class EventSocket(AsyncWebsocketConsumer):
    """The socket of one open page or program of a member. It only sends: events, and a heartbeat
    when there are none.

    A reader that receives nothing for a few heartbeats has lost the connection, whatever its
    network says: a full link drops packets without closing anything.
    """

    async def connect(self) -> None:
        self._user_id: UUID | None = None
        self._pump: asyncio.Task[None] | None = None
        self._slug: str = self.scope["url_route"]["kwargs"]["slug"]
        after = _after(self.scope["query_string"])
        if after is None:
            return await self.close(CLOSE_MALFORMED)
        try:
            self._credential = credential_of(self.scope)
            membership = await self._admit()
            last_seq = await self._last_seq(membership)
        except PortalError as error:
            return await self.close(_close_code(error))
        except Error as error:
            if not is_away(error):
                raise
            return await self.close(CLOSE_TRY_AGAIN)
        if _open_sockets[membership.user_id] >= SOCKETS_PER_PERSON:
            return await self.close(CLOSE_TOO_MANY)
        # A number from before a restore would silence the socket.
        await self._open(membership, min(after, last_seq))
        return None

    async def _open(self, membership: Membership, after: int) -> None:
        self._user_id = membership.user_id
        _open_sockets[membership.user_id] += 1
        self._organization_id = membership.organization_id
        self._groups = (
            organization_group(membership.organization_id),
            user_group(membership.user_id),
        )
        self._sent = after
        self._spoke_at = _time()
        self._pending: deque[EventFrame] = deque(maxlen=PENDING_EVENTS)
        self._news = asyncio.Event()
        self._must_ask_again = True
        self._look_again = True
        self._has_joined = False
        self._is_over = False
        await self.accept()
        self._pump = asyncio.create_task(self._keep_sending())

    async def disconnect(self, code: int) -> None:
        if self._user_id is None:
            return
        self._is_over = True
        _open_sockets[self._user_id] -= 1
        if not _open_sockets[self._user_id]:
            del _open_sockets[self._user_id]
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        if self._has_joined:
            await self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.close(CLOSE_MALFORMED)

    # Called by the channel layer. Quick, so that its buffer never fills.

    async def event(self, message: EventMessage) -> None:
        self._pending.append(message["event"])
        self._news.set()

    async def access_changed(self, message: AccessChanged) -> None:
        self._must_ask_again = True
        self._news.set()

    # The only sender.

    async def _keep_sending(self) -> None:
        code = CLOSE_TRY_AGAIN
        try:
            while True:
                if self._must_ask_again or _time() - self._admitted_at >= ADMIT_AGAIN_S:
                    self._must_ask_again = False
                    await self._admit()
                if self._look_again:
                    # Join the group before reading the table, so that no event falls between the
                    # two.
                    await self._join()
                    await self._send_from_table()
                    self._look_again = False
                    if self._is_silent:
                        await self._send(heartbeat(self._sent))
                await self._send_pending()
                await self._wait_for_news()
        except PortalError as error:
            code = _close_code(error)
        except (Error, TimeoutError) as error:
            if isinstance(error, Error) and not is_away(error):
                raise
            logger.warning("event socket of %s closed: %s", self._user_id, error)
        finally:
            if not self._is_over:
                await self.close(code)

    async def _join(self) -> None:
        if self._has_joined:
            return
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._groups:
                    await self.channel_layer.group_add(group, self.channel_name)
        except (RedisError, OSError, TimeoutError) as error:
            # Until it works, polling the table every few seconds replaces live updates.
            logger.warning("event socket of %s reads the table only: %s", self._user_id, error)
        else:
            self._has_joined = True

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                for group in self._groups:
                    await self.channel_layer.group_discard(group, self.channel_name)
        except (RedisError, OSError, TimeoutError) as error:
            # The channel ends with this socket, so messages that still arrive for it are dropped.
            logger.warning("event socket of %s did not leave its groups: %s", self._user_id, error)

    async def _wait_for_news(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._spoke_at + LOOK_AGAIN_S - _time()):
                await self._news.wait()
        self._news.clear()
        self._look_again = self._is_silent

    @property
    def _is_silent(self) -> bool:
        return _time() - self._spoke_at >= LOOK_AGAIN_S

    async def _send_pending(self) -> None:
        while self._pending:
            event = self._pending.popleft()
            if event["seq"] > self._sent + 1:
                await self._send_from_table()
            if event["seq"] == self._sent + 1:
                await self._send(event)

    async def _send_from_table(self) -> None:
        read = database_sync_to_async(queries.events_after)
        while events := await read(self._organization_id, self._sent, limit=REPLAY_BATCH):
            for event in events:
                await self._send(event.as_message())

    async def _send(self, event: EventFrame) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self.send(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
        self._sent = event["seq"]
        self._spoke_at = _time()

    async def _last_seq(self, membership: Membership) -> int:
        return await database_sync_to_async(queries.last_seq)(membership.organization_id)

    async def _admit(self) -> Membership:
        self._admitted_at = _time()
        return await database_sync_to_async(admit)(self._credential, self._slug)


def heartbeat(seq: int) -> EventFrame:
    """A frame that says that the table has no event after `seq` at the moment `at`.

    It has every key of an event and the number of one already sent, so a client that only knows
    events ignores it.
    """
    return EventFrame(
        seq=seq,
        at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        type=HEARTBEAT,
        request=None,
        mitigation=None,
        data={},
    )


def _time() -> float:
    return asyncio.get_running_loop().time()


def _after(query: bytes) -> int | None:
    values = parse_qs(query.decode("latin-1")).get("after", ["0"])
    return whole_number(values[-1], at_most=queries.MAX_SEQ)


def _close_code(error: PortalError) -> int:
    return CLOSE_NOT_SIGNED_IN if isinstance(error, NotSignedIn) else CLOSE_NOT_A_MEMBER
