"""Servers that send over TCP what a test gives them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import aiocoap

from dots_client.identity import Credentials
from dots_client.transport.frames import framed
from dots_client.transport.tls_contexts import tls_server_context
from dots_client.transport.tls_engine import TlsEngine
from tests.dots_client.authority import Authority

Issue = Callable[[Authority], Credentials]


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def stream_server(handle: Handler) -> AsyncIterator[int]:
    """A plain TCP server that leaves no socket behind."""
    ended: list[asyncio.Future[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.get_running_loop().create_future()
        ended.append(end)
        try:
            with suppress(ConnectionError):
                await handle(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            end.set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if ended:
            await asyncio.wait(ended, timeout=5)


@asynccontextmanager
async def raw_server(
    authority: Authority, sends: bytes, *, then: str = "stay"
) -> AsyncIterator[int]:
    """A TLS server with a certificate of ours that sends `sends`."""
    context = tls_server_context(authority.server(), require_client_certificate=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine = TlsEngine.server(context)
        has_said = False
        while data := await reader.read(4096):
            engine.receive(data)
            if engine.peer_certificate is not None and not has_said:
                has_said = True
                engine.send(sends)
                if then == "close":
                    engine.close("done")
            writer.write(engine.bytes_to_send())
            if has_said and then == "break":
                break
            if has_said and then == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                break

    async with stream_server(serve) as port:
        yield port


CSM = framed(aiocoap.Message(code=aiocoap.CSM))
