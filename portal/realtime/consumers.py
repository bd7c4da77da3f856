"""The event socket: every event after a number from the table, then live events, without gap or
repeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error

from portal.core.database import is_away
from portal.core.errors import PortalError
from portal.core.log_ids import add_log_ids
from portal.core.metrics import EVENT_LAG
from portal.core.numbers import whole_number
from portal.events import queries
from portal.realtime.access import admit, credential_of
from portal.realtime.frames import EncodedEvent, amounts, fold
from portal.realtime.log_reader import LogReader, log_reader
from portal.realtime.open_socket import CLOSE_TRY_AGAIN, OpenSocket, close_code, now

logger = logging.getLogger(__name__)

CLOSE_MALFORMED: Final = 4400
CLOSE_NO_SUCH_SOCKET: Final = 4404
CLOSE_TOO_MANY: Final = 4429

REPLAY_BATCH: Final = 200
SEND_TIMEOUT_S: Final = 10.0
SOCKETS_PER_PERSON: Final = 20
"""In one process."""

NO_CHANNEL_LAYER: Final = "none"
"""No layer has this name, so Channels subscribes a socket to nothing: the log reader listens for
all sockets.
"""


class NoSuchSocket(AsyncWebsocketConsumer):
    """Any other socket path."""

    channel_layer_alias = NO_CHANNEL_LAYER

    async def connect(self) -> None:
        await self.close(CLOSE_NO_SUCH_SOCKET)


class EventSocket(AsyncWebsocketConsumer):
    """The socket of one open page or program of a member. It only sends: events, and a heartbeat
    when there are none.

    A reader that receives nothing for a few heartbeats has lost the connection, whatever its
    network says: a full link drops packets without closing anything.
    """

    channel_layer_alias = NO_CHANNEL_LAYER

    async def connect(self) -> None:
        self._socket: OpenSocket | None = None
        slug: str = self.scope["url_route"]["kwargs"]["slug"]
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        after = _after(query)
        if after is None:
            return await self.close(CLOSE_MALFORMED)
        try:
            credential = credential_of(self.scope)
            membership = await database_sync_to_async(admit)(credential, slug)
            last_seq = await database_sync_to_async(queries.last_seq)(membership.organization_id)
        except PortalError as error:
            return await self.close(close_code(error))
        except Error as error:
            if not is_away(error):
                raise
            return await self.close(CLOSE_TRY_AGAIN)
        add_log_ids(organization=membership.organization_id)
        reader = log_reader()
        if reader.count_of(membership.holder_id) >= SOCKETS_PER_PERSON:
            return await self.close(CLOSE_TOO_MANY)
        # A number from before a restore would silence the socket.
        socket = OpenSocket(
            credential,
            slug,
            membership,
            min(after, last_seq),
            has_brief_numbers=query.get("numbers") == ["brief"],
        )
        reader.attach(socket, last_seq)
        self._reader, self._socket, self._is_over = reader, socket, False
        self._sending = asyncio.create_task(self._keep_sending(reader, socket))
        return None

    async def disconnect(self, code: int) -> None:
        if self._socket is None:
            return
        self._is_over = True
        self._sending.cancel()
        await asyncio.wait([self._sending])
        await self._reader.detach(self._socket)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self.close(CLOSE_MALFORMED)

    # The only sender.

    async def _keep_sending(self, reader: LogReader, socket: OpenSocket) -> None:
        code = CLOSE_TRY_AGAIN
        try:
            await self.accept()
            code = await self._send_until_over(socket)
        except (Error, TimeoutError) as error:
            if isinstance(error, Error) and not is_away(error):
                raise
            logger.warning("event socket of %s closed: %s", socket.user_id, error)
        finally:
            try:
                if not self._is_over:
                    await self.close(code)
            finally:
                await reader.detach(socket)

    async def _send_until_over(self, socket: OpenSocket) -> int:
        """Returns the code to close with."""
        await self._send_from_table(socket)
        while socket.close_code is None:
            if socket.outbox.has_overflowed:
                await self._send_from_table(socket, is_folded=True)
            elif socket.has_brief_numbers and (reports := socket.outbox.pop_numbers()):
                await self._send_amounts(socket, reports)
            elif frame := socket.outbox.pop():
                if frame.seq > socket.sent:
                    await self._send_event(socket, frame.after(socket.sent))
                    EVENT_LAG.observe(frame.age_s)
            elif socket.heartbeat:
                text, socket.heartbeat = socket.heartbeat, ""
                await self._send_text(socket, text)
            else:
                await socket.news.wait()
                socket.news.clear()
        return socket.close_code

    async def _send_from_table(self, socket: OpenSocket, *, is_folded: bool = False) -> None:
        socket.is_reading_table = True
        read = database_sync_to_async(queries.events_after)
        while socket.close_code is None:
            socket.outbox.start_again()
            events = await read(socket.organization_id, socket.sent, limit=REPLAY_BATCH)
            frames = [EncodedEvent(event.as_message()) for event in events]
            for is_numbers, run in groupby(
                fold(frames) if is_folded else frames, key=attrgetter("is_numbers")
            ):
                if is_numbers and socket.has_brief_numbers:
                    await self._send_amounts(socket, list(run))
                    continue
                for frame in run:
                    await self._send_event(socket, frame)
            if len(events) < REPLAY_BATCH:
                break
        socket.is_reading_table = False

    async def _send_event(self, socket: OpenSocket, frame: EncodedEvent) -> None:
        socket.heartbeat = ""
        await self._send_text(socket, frame.text)
        socket.sent = frame.seq

    async def _send_amounts(self, socket: OpenSocket, reports: Sequence[EncodedEvent]) -> None:
        new = [report for report in reports if report.seq > socket.sent]
        if not new:
            return
        socket.heartbeat = ""
        await self._send_text(socket, amounts(new))
        socket.sent = new[-1].seq
        if not socket.is_reading_table:
            for report in new:
                EVENT_LAG.observe(report.age_s)

    async def _send_text(self, socket: OpenSocket, text: str) -> None:
        if socket.close_code is not None:
            return
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self.send(text)
        socket.spoke_at = now()


def _after(query: Mapping[str, Sequence[str]]) -> int | None:
    return whole_number(query.get("after", ["0"])[-1], at_most=queries.MAX_SEQ)
