"""CoAP messages in a stream of bytes (RFC 8323 section 3.2), cut and read by aiocoap."""

from __future__ import annotations

from typing import Final

import aiocoap
from aiocoap.transports.tcp import _decode_message, _extract_message_size, _serialize

from dots_client.errors import RemoteProtocolError

MAX_MESSAGE_BYTES: Final = 1 << 16
"""What we say in our CSM that we take."""
BASE_MAX_MESSAGE_BYTES: Final = 1152
"""What every peer takes (RFC 8323 section 5.3.1)."""


class Frames:
    """What has come and is not a whole message yet."""

    def __init__(self) -> None:
        self._waiting = b""

    def receive(self, data: bytes) -> list[tuple[aiocoap.Message, bytes]]:
        """The messages that are whole now, with their bytes; RemoteProtocolError for junk."""
        self._waiting += data
        messages = []
        while (sizes := _extract_message_size(self._waiting)) is not None:
            size = sum(sizes)
            if size > MAX_MESSAGE_BYTES:
                raise RemoteProtocolError(
                    f"a message of {size} bytes was announced, {MAX_MESSAGE_BYTES} are allowed"
                )
            if size > len(self._waiting):
                break
            frame, self._waiting = self._waiting[:size], self._waiting[size:]
            messages.append((_decoded(frame), frame))
        return messages


def _decoded(frame: bytes) -> aiocoap.Message:
    try:
        return _decode_message(frame)
    except (aiocoap.error.UnparsableMessage, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"{len(frame)} bytes are no CoAP message") from error


def framed(message: aiocoap.Message) -> bytes:
    frame: bytes = _serialize(message)
    return frame
