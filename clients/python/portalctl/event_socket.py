"""The portal's event socket, a WebSocket (RFC 6455) that is only read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import BinaryIO, Final
from urllib.parse import quote, urlsplit

from portalctl.errors import RefusedError, UnreachableError
from portalctl.web import TIMEOUT_S

NEWEST: Final = 2**63 - 1
"""After this number there are only new events."""
SILENCE_S: Final = 15.0
"""The portal sends a heartbeat every 5 s: after three missing ones the connection is lost."""
MAX_HEAD_BYTES: Final = 16 * 1024
MAX_MESSAGE_BYTES: Final = 1024 * 1024
LOOK_AGAIN_S: Final = 60.0
"""Some changes, such as a provider that stays silent, are not events."""
AMOUNTS: Final = ("amounts", "heartbeat", "mitigation.counters")
"""Frames after which the status of a request is as before."""
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _CLOSE, _PING, _PONG = 0, 1, 8, 9, 10


class EventSocket:
    """An open socket. Reads raise UnreachableError when the connection is lost or breaks a rule."""

    def __init__(self, connection: socket.socket, reader: BinaryIO) -> None:
        self._connection, self._reader = connection, reader

    @classmethod
    def open(cls, portal: str, slug: str, token: str) -> EventSocket:
        """The socket of an organization, for events from now on.

        :raises RefusedError: the portal does not offer it to this token.
        :raises UnreachableError: it does not answer.
        """
        parts = urlsplit(portal)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        key = base64.b64encode(os.urandom(16)).decode()
        path = (
            f"{parts.path}/ws/organizations/{quote(slug, safe='')}/events"
            f"?after={NEWEST}&numbers=brief"
        )
        head = [
            f"GET {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {token}",
        ]
        try:
            connection = socket.create_connection(
                (host, parts.port or (443 if is_tls else 80)), timeout=TIMEOUT_S
            )
            if is_tls:
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=host)
        except OSError as error:
            raise UnreachableError(f"{host} does not answer: {error}") from error
        opened = cls(connection, connection.makefile("rb"))
        try:
            connection.sendall("".join(f"{line}\r\n" for line in [*head, ""]).encode())
            opened._shake_hands(key)
            connection.settimeout(SILENCE_S)
        except OSError as error:
            opened.close()
            raise UnreachableError(f"{host} does not answer: {error}") from error
        except (RefusedError, UnreachableError):
            opened.close()
            raise
        return opened

    def wait_for(self, request: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Return when something happened to this request, and after LOOK_AGAIN_S in any case."""
        until = clock() + LOOK_AGAIN_S
        while clock() < until:
            frame = self._frame()
            if frame.get("request") == request and frame.get("type") not in AMOUNTS:
                return

    def close(self) -> None:
        self._reader.close()
        self._connection.close()

    def _shake_hands(self, key: str) -> None:
        lines: list[bytes] = []
        left = MAX_HEAD_BYTES
        while not lines or lines[-1]:
            line = self._reader.readline(left)
            left -= len(line)
            if not line.endswith(b"\n"):
                raise UnreachableError("The portal sent no whole answer.")
            lines.append(line.strip())
        status = lines[0].split(b" ")[1:2]
        if status != [b"101"]:
            is_refusal = bool(status) and status[0].startswith(b"4")
            error = RefusedError if is_refusal else UnreachableError
            raise error("The portal does not offer its event socket.")
        digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
        headers = dict(line.split(b":", 1) for line in lines[1:] if b":" in line)
        named = {name.strip().lower(): value.strip() for name, value in headers.items()}
        if named.get(b"sec-websocket-accept") != base64.b64encode(digest):
            raise RefusedError("This address does not answer like a portal.")

    def _frame(self) -> dict[str, object]:
        """The next event, amounts or heartbeat."""
        try:
            found = json.loads(self._message())
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UnreachableError("The event socket sent something else than events.")
        return found

    def _message(self) -> bytes:
        """The next text, put together from its parts."""
        message = b""
        while True:
            is_last, opcode, payload = self._part(MAX_MESSAGE_BYTES - len(message))
            if opcode == _PING:
                self._send_pong(payload)
            elif opcode == _CLOSE:
                raise UnreachableError("The portal closed the event socket.")
            elif opcode in (_TEXT, _CONTINUED):
                message += payload
                if is_last:
                    return message
            elif opcode != _PONG:
                raise UnreachableError("The event socket sent something else than text.")

    def _part(self, most: int) -> tuple[bool, int, bytes]:
        """RFC 6455 section 5.2: whether it is the last part, its opcode, its payload."""
        first, second = self._read(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._read(2 if length == 126 else 8))
        # A server sets no reserved bits without an extension, and never a mask.
        if first & 0x70 or second & 0x80 or length > most:
            raise UnreachableError("The event socket broke a rule of its protocol.")
        return bool(first & 0x80), first & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        try:
            found = self._reader.read(count)
        except OSError as error:
            raise UnreachableError(f"The event socket is silent: {error}") from error
        if len(found) < count:
            raise UnreachableError("The event socket ended.")
        return found

    def _send_pong(self, payload: bytes) -> None:
        payload, mask = payload[:125], os.urandom(4)
        masked = bytes(one ^ mask[index % 4] for index, one in enumerate(payload))
        try:
            self._connection.sendall(bytes([0x80 | _PONG, 0x80 | len(payload)]) + mask + masked)
        except OSError as error:
            raise UnreachableError(f"The event socket ended: {error}") from error
