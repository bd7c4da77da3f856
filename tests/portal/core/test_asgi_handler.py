from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from portal.core.asgi_handler import OneThreadHandler
from portal.core.asgi_types import Message
from portal.core.log_ids import WithLogIds, add_log_ids, log_ids

seen: list[str] = []
"""The names of the threads that ran a part of the request."""
streamed: list[int] = []
used: list[BaseDatabaseWrapper] = []
"""The database connection of the thread that ran a view."""
logged: list[Any] = []
"""The ids of lines that the server would log when it sends a message."""


def _note() -> None:
    seen.append(threading.current_thread().name)


class Noting:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _note()
        return self.get_response(request)


def answer(request: HttpRequest) -> HttpResponse:
    _note()
    add_log_ids(mid=7)
    return HttpResponse(request.body * 2, headers={"X-Own": "yes"})


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a defect")


async def _numbers() -> AsyncIterator[bytes]:
    for number in range(1000):
        streamed.append(number)
        yield b"."
        await asyncio.sleep(0)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_numbers())


def read_and_stream(request: HttpRequest) -> StreamingHttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    used.append(connections[connection.alias])
    return StreamingHttpResponse(_numbers())


def handler500(request: HttpRequest) -> HttpResponse:
    return HttpResponse("failed", status=500)


urlpatterns = [
    path("answer", answer),
    path("fail", fail),
    path("stream", stream),
    path("read", read_and_stream),
]


@pytest.fixture
def handler() -> Any:
    seen.clear()
    streamed.clear()
    used.clear()
    logged.clear()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.Noting"]):
        yield OneThreadHandler()


async def call(
    handler: OneThreadHandler, route: str, *, body: bytes = b"", leaves_after: int | None = None
) -> list[Message]:
    """The messages of the answer. `leaves_after`: the client leaves after that many."""
    scope = {
        "type": "http", "method": "POST", "path": f"/{route}", "raw_path": b"", "root_path": "",
        "query_string": b"", "scheme": "http", "http_version": "1.1", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    received, has_left = iter([body]), asyncio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        for one in received:
            return {"type": "http.request", "body": one, "more_body": False}
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        logged.append(_ids())
        if len(sent) == leaves_after:
            has_left.set()

    await asyncio.wait_for(handler(scope, receive, send), 10)
    return sent


async def test_one_thread_runs_a_request_from_its_first_signal_to_its_last(
    handler: OneThreadHandler,
) -> None:
    def note(**_: Any) -> None:
        _note()

    for signal in (request_started, request_finished):
        signal.connect(note)
    try:
        start, end = await call(handler, "answer", body=b"ab")
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(note)

    assert (start["status"], end["body"], end["more_body"]) == (200, b"abab", False)
    assert (b"X-Own", b"yes") in start["headers"]
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert seen[0] != threading.current_thread().name


async def test_ids_that_a_view_adds_are_in_the_lines_of_the_server(
    handler: OneThreadHandler,
) -> None:
    with log_ids(mid=1):
        await call(handler, "answer")

    assert [ids["mid"] for ids in logged] == [7, 7]


async def test_a_defect_is_an_answer(handler: OneThreadHandler) -> None:
    start, *_ = await call(handler, "fail")

    assert start["status"] == 500


async def test_a_download_is_sent_in_parts(handler: OneThreadHandler) -> None:
    _, *parts = await call(handler, "stream")

    assert b"".join(one.get("body", b"") for one in parts) == b"." * 1000
    assert parts[-1].get("more_body", False) is False


async def test_a_download_stops_when_the_client_leaves(handler: OneThreadHandler) -> None:
    await call(handler, "stream", leaves_after=3)

    assert len(streamed) < 100


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a test database in memory stays open")
@pytest.mark.django_db(transaction=True)
async def test_the_thread_of_a_download_gives_its_database_connection_back(
    handler: OneThreadHandler,
) -> None:
    await call(handler, "read")

    assert [one.connection for one in used] == [None]


async def test_requests_at_once_run_in_several_threads(handler: OneThreadHandler) -> None:
    together = threading.Barrier(2, timeout=10)

    def wait(**_: Any) -> None:
        together.wait()

    request_started.connect(wait)
    try:
        answers = await asyncio.gather(call(handler, "answer"), call(handler, "answer"))
    finally:
        request_started.disconnect(wait)

    assert [start["status"] for start, _ in answers] == [200, 200]


def _ids() -> Any:
    record = logging.makeLogRecord({})
    WithLogIds().filter(record)
    return vars(record)["ids"]
