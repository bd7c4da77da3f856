"""The limits of the HTTP server, with real connections to a real uvicorn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
import websockets

from portal.core import http
from portal.core.http import MAX_HEAD_BYTES, MAX_HEADERS, MAX_REQUEST_BYTES, BoundedHttp

END = b"host: x\r\n\r\n"
GET = b"GET / HTTP/1.1\r\n"
CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n" + END


class Slow:
    """The answer to /slow: whether it started, and may end."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    answer = Slow()
    monkeypatch.setitem(SLOW, b"/slow", answer)
    return answer


SLOW: dict[bytes, Slow] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (frame := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": frame["text"]})
        return
    while (message := await receive()).get("more_body"):
        continue
    if answer := SLOW.get(scope["raw_path"]):
        answer.began.set()
        await answer.may_end.wait()
    if message["type"] == "http.request":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(app, http=BoundedHttp, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def status(self) -> int:
        """The status of the next answer; 0 if the connection ends without one."""
        async with asyncio.timeout(10):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0
        return int(head.split()[1])

    async def is_closed(self) -> bool:
        async with asyncio.timeout(10):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def send(self, data: bytes, *, times: int = 1) -> int:
        """Returns how often it was sent before the server closed."""
        for number in range(times):
            if self.reader.at_eof():
                return number
            try:
                self.writer.write(data)
                await self.writer.drain()
            except ConnectionError:
                return number
        return times


Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture
async def connect(port: int) -> AsyncIterator[Connect]:
    made: list[Connection] = []

    async def one_more() -> Connection:
        made.append(Connection(*await asyncio.open_connection("127.0.0.1", port)))
        return made[-1]

    yield one_more
    for connection in made:
        connection.writer.close()
        with suppress(ConnectionError):
            await connection.writer.wait_closed()


async def test_requests_within_the_limits_are_answered_in_order(
    connect: Connect,
) -> None:
    connection = await connect()
    headers = b"".join(b"x-%d: y\r\n" % number for number in range(MAX_HEADERS - 1))

    for _ in range(3):
        await connection.send(GET + headers + END)
        assert await connection.status() == 204
    await connection.send(b"GET /%s HTTP/1.1\r\n" % (b"a" * (MAX_HEAD_BYTES - 100)) + END)
    assert await connection.status() == 204


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x: " + b"y" * MAX_HEAD_BYTES + b"\r\n" + END,
        b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n" + END,
        GET + b"x: y\r\n" * MAX_HEADERS + END,
        GET + (b"x: " + b"y" * 1000 + b"\r\n") * 40 + END,
    ],
    ids=["one header", "address", "many headers", "together"],
)
async def test_a_head_that_is_too_large_is_431(connect: Connect, head: bytes) -> None:
    connection = await connect()
    await connection.send(head)

    assert await connection.status() == 431
    assert await connection.is_closed()


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (GET + b"x: ", b"y" * 65536),
        (b"GET /", b"a" * 65536),
        (GET, b"x: y\r\n" * 10000),
        (CHUNKED, b"1\r\nx\r\n" * 10000),
        (CHUNKED, b"1;" + b"x" * 65536 + b"\r\nx\r\n"),
        (CHUNKED + b"0\r\n", b"x: " + b"y" * 65536 + b"\r\n"),
    ],
    ids=["header", "address", "headers", "chunks", "chunk extensions", "trailers"],
)
async def test_an_endless_request_is_read_only_up_to_the_limit(
    connect: Connect, beginning: bytes, more: bytes
) -> None:
    connection = await connect()
    await connection.send(beginning)
    times = 100 * MAX_REQUEST_BYTES // len(more)

    assert await connection.send(more, times=times) < times
    assert await connection.is_closed() or await connection.status() in (413, 431)


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("HEAD_DEADLINE_S", b"", 0),
        ("HEAD_DEADLINE_S", GET + b"x", 408),
        ("BODY_DEADLINE_S", b"POST / HTTP/1.1\r\ncontent-length: 5\r\n" + END + b"x", 408),
        ("BODY_DEADLINE_S", CHUNKED + b"1\r\nx\r\n", 408),
    ],
    ids=["nothing", "half a head", "half a body", "endless chunks"],
)
async def test_a_partial_request_has_a_deadline(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str, sent: bytes, expected: int
) -> None:
    monkeypatch.setattr(http, name, 0.05)
    connection = await connect()
    await connection.send(sent)

    assert await connection.status() == expected
    assert await connection.is_closed()


async def test_the_second_request_on_a_connection_has_the_same_deadline(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect()
    await connection.send(GET + END)
    assert await connection.status() == 204

    monkeypatch.setattr(http, "HEAD_DEADLINE_S", 0.05)
    await connection.send(GET)

    assert await connection.status() == 408
    assert await connection.is_closed()


@pytest.mark.parametrize(
    ("more", "afterwards"),
    [
        (b"\r\n", []),
        (GET + b"x", [408, 0]),
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\n" + END + b"x", [408, 0]),
        (GET + END, [204]),
        (GET + END + GET, [204, 408, 0]),
        ((GET + END) * 2 + CHUNKED + b"1\r\nx\r\n", [204, 204, 408, 0]),
    ],
    ids=[
        "line end",
        "half a head",
        "half a body",
        "a whole one",
        "and half a head",
        "two and half a body",
    ],
)
async def test_the_deadline_of_a_pipelined_request_starts_after_the_previous_answer(
    connect: Connect,
    slow: Slow,
    monkeypatch: pytest.MonkeyPatch,
    more: bytes,
    afterwards: list[int],
) -> None:
    connection = await connect()
    await connection.send(b"GET /slow HTTP/1.1\r\n" + END)
    await slow.began.wait()
    monkeypatch.setattr(http, "HEAD_DEADLINE_S", 0.05)
    monkeypatch.setattr(http, "BODY_DEADLINE_S", 0.05)
    await connection.send(more)
    # The server closes silent connections: by then the deadlines are over.
    assert await (await connect()).is_closed()

    slow.may_end.set()

    assert await connection.status() == 204
    assert [await connection.status() for _ in afterwards] == afterwards
    if 0 not in afterwards:
        await connection.send(GET + END)
        assert await connection.status() == 204


async def test_a_websocket_outlives_the_request_deadline(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HEAD_DEADLINE_S", 0.2)
    monkeypatch.setattr(http, "BODY_DEADLINE_S", 0.2)
    closed = await asyncio.open_connection("127.0.0.1", port)

    async with websockets.connect(f"ws://127.0.0.1:{port}/") as socket:
        # The server closes silent connections: by then the deadlines are over.
        assert await closed[0].read() == b""
        await socket.send("x" * http.MAX_HEAD_BYTES * 2)
        assert await socket.recv() == "x" * http.MAX_HEAD_BYTES * 2
    closed[1].close()
    await closed[1].wait_closed()


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 6\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        b"content-length: 6\r\ncontent-length: 5\r\n",
        b"content-length: 6, 5\r\n",
        b"content-length: +6\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"content-length : 6\r\n",
        b"x: y\n content-length: 6\r\n",
    ],
)
async def test_a_request_without_one_clear_end_is_refused(connect: Connect, head: bytes) -> None:
    """A proxy that sees another end would take the rest for the request of someone else."""
    connection = await connect()

    await connection.send(b"POST / HTTP/1.1\r\n" + head + END + b"0\r\n\r\nX" + GET + END)

    assert await connection.status() == 400
    async with asyncio.timeout(10):
        assert b"HTTP/" not in await connection.reader.read()
