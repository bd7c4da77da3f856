"""Limits inside the HTTP server: `uvicorn --http portal.core.http:BoundedHttp`.

httptools, which parses HTTP for uvicorn, accepts heads of any length and waits forever for the rest
of a request. A request that is refused here has cost the portal only these bytes and seconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from portal.core.body_limits import MAX_BODY_BYTES

MAX_HEAD_BYTES: Final = 32 * 1024
"""Limit on the URL and all header names and values of one request."""
MAX_HEADERS: Final = 100
HEAD_DEADLINE_S: Final = 10.0
"""From the connection, or from the first byte of a later request on it, to the end of the head.
Does not run while the portal is still answering.
"""
BODY_DEADLINE_S: Final = 30.0
"""From the end of the head to the end of the body: 256 KiB in 30 s are 70 kbit/s."""
MAX_REQUEST_BYTES: Final = MAX_HEAD_BYTES + 4 * MAX_BODY_BYTES
"""Limit on the wire, trailers included.

Small chunks need up to six bytes per body byte. BoundedBodies limits the body itself.
"""

_ANSWERS: Final = {
    408: b"Request Timeout",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
}

logger = logging.getLogger(__name__)


class HeadTooLargeError(Exception):
    """Aborts the parsing of a head from inside a callback of httptools."""


class BoundedHttp(HttpToolsProtocol):
    """One connection.

    After a request that is too large or too slow, it sends an error response and closes the
    connection.
    """

    _deadline: asyncio.TimerHandle | None = None
    _is_reading_head = True
    _has_begun = False
    "part of the next request has arrived"
    _is_head_too_large = False
    _head_bytes = 0
    _request_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._expect(HEAD_DEADLINE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._is_reading_head and not self._is_answering:
            # The next request on a connection that was idle.
            self._expect(HEAD_DEADLINE_S)
        self._request_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_reading_head and self._request_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
        elif self._request_bytes > MAX_REQUEST_BYTES:
            self._refuse(413)

    # Callbacks of httptools.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_reading_head = True
        self._has_begun = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._is_head_too_large = True
            raise HeadTooLargeError

    def on_headers_complete(self) -> None:
        self._is_reading_head = False
        super().on_headers_complete()
        # A request that arrives during another's response gets its deadline afterwards
        # (on_response_complete).
        self._expect(None if self.pipeline else BODY_DEADLINE_S)

    def on_message_complete(self) -> None:
        self._expect(None)
        self._is_reading_head = True
        self._has_begun = False
        self._request_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or not self._has_begun or self._deadline is not None:
            return
        # The deadline for the rest of a request that started in the meantime starts here.
        if self._is_reading_head and not self._is_answering:
            self._unset_keepalive_if_required()
            self._expect(HEAD_DEADLINE_S)
        elif not self._is_reading_head and not self.pipeline:
            self._expect(BODY_DEADLINE_S)

    def handle_websocket_upgrade(self) -> None:
        self._expect(None)
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        if self._is_head_too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    @property
    def _is_answering(self) -> bool:
        """Whether a request, read or being read, still lacks its complete response."""
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._is_head_too_large = True
            raise HeadTooLargeError

    def _expect(self, seconds: float | None) -> None:
        """Require the next step within `seconds`; None: nothing is expected from the client."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self._refuse, 408)
        )

    def _refuse(self, status: int) -> None:
        self._expect(None)
        has_half_answered = self._is_answering and self.cycle.response_started
        # An idle connection needs no response, and one with a response under way gets no second
        # head.
        if self._has_begun and not has_half_answered:
            head = b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head % (status, _ANSWERS[status]))
        logger.info("%s: answered %d and closed", self.client and self.client[0], status)
        self.transport.close()
