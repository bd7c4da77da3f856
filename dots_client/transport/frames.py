"""CoAP messages in a stream of bytes (RFC 8323 section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import aiocoap
from aiocoap.transports.tcp import _extract_message_size, _serialize

from dots_client.codec.split import MAX_TOKEN_BYTES
from dots_client.transport.message_parser import (
    EMPTY_CODE,
    IncomingMessage,
    MalformedMessage,
    read_frame,
)

MAX_MESSAGE_BYTES: Final = 1 << 13
"""The limit in our CSM: room for full reports on eighty mitigations. A larger answer comes in
blocks."""
BASE_MAX_MESSAGE_BYTES: Final = 1152
"""What every peer accepts (RFC 8323 section 5.3.1)."""
MAX_HEADER_BYTES: Final = 6


class Frames:
    """Collects bytes until they are whole messages."""

    def __init__(self) -> None:
        self._waiting = b""

    def receive(self, data: bytes) -> Iterator[IncomingMessage]:
        """The complete messages; MalformedMessage for anything else. Skips empty messages.

        Exhaust it before you feed more data.
        """
        waiting, at = self._waiting + data, 0
        try:
            while (sizes := _extract_message_size(waiting[at : at + MAX_HEADER_BYTES])) is not None:
                header, token, _ = sizes
                size = sum(sizes)
                if token > MAX_TOKEN_BYTES:
                    raise MalformedMessage(f"a token of {token} bytes is too long")
                if size > MAX_MESSAGE_BYTES:
                    raise MalformedMessage(
                        f"a message of {size} bytes was announced, {MAX_MESSAGE_BYTES} are allowed"
                    )
                if at + size > len(waiting):
                    break
                frame = waiting[at : at + size]
                at += size
                if frame[header - 1] != EMPTY_CODE:
                    yield read_frame(frame, header_bytes=header)
        finally:
            self._waiting = waiting[at:]


def framed(message: aiocoap.Message) -> bytes:
    frame: bytes = _serialize(message)
    return frame
