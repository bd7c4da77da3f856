"""One HTTP exchange with a server that a customer chose. It goes to the given address, follows no
redirection, and reads at most the given number of bytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import h11

MAX_HEADER_BYTES: Final = 16 * 1024
_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """What to send, and where to."""

    method: str = "GET"
    host: str
    "the name in the certificate"
    address: str
    port: int
    target: str
    "path and query"
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the server sent."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes | None
    "None: longer than allowed"


async def exchange(call: HttpCall, *, max_body: int) -> HttpAnswer:
    """Raises OSError, EOFError or h11.RemoteProtocolError. The caller limits the time."""
    reader, writer = await asyncio.open_connection(
        call.address,
        call.port,
        ssl=call.tls,
        server_hostname=call.host if call.tls else None,
    )
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_BYTES)
        request = h11.Request(
            method=call.method,
            target=call.target,
            headers=[
                ("User-Agent", "mitigation-portal"),
                ("Accept-Encoding", "identity"),
                ("Connection", "close"),
                *call.headers,
            ],
        )
        writer.write(connection.send(request) or b"")
        if call.body:
            writer.write(connection.send(h11.Data(call.body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return await _read(connection, reader, max_body)
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader, max_body: int
) -> HttpAnswer:
    status, body = 0, b""
    headers: list[tuple[str, str]] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = [
                (name.decode("latin-1"), one.decode("latin-1")) for name, one in event.headers
            ]
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
            if len(body) > max_body:
                return HttpAnswer(status, headers, None)
        elif not isinstance(event, h11.InformationalResponse):
            return HttpAnswer(status, headers, body)
