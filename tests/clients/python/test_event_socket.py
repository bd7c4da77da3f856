"""The event socket of `portalctl watch`, against a real server and against broken ones."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from portalctl.errors import RefusedError, UnreachableError
from portalctl.event_socket import MAX_MESSAGE_BYTES, NEWEST, EventSocket
from portalctl.news import PAUSES_PER_TRY, News
from websockets.sync.server import ServerConnection, serve

ID = "0b9f7f4e-5a6c-4e9b-9a57-0f2a6a1f0001"
Serve = Callable[[ServerConnection], None]


def frame(type: str, request: str | None = ID) -> str:
    return json.dumps({"seq": 7, "type": type, "request": request, "data": {}})


@contextmanager
def serving(handle: Serve) -> Iterator[str]:
    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that sends this whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def once() -> None:
            connection, _ = door.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=once)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        thread.join()


def opened(url: str) -> EventSocket:
    return EventSocket.open(url, "acme", "dmp_secret")


def test_it_opens_with_the_token_at_the_newest_event_and_waits_for_its_request() -> None:
    asked: list[tuple[str, str]] = []

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append((connection.request.path, connection.request.headers["Authorization"]))
        for one in (
            frame("heartbeat", None),
            frame("mitigation.counters"),
            frame("amounts", None),
            frame("request.status", "0b9f7f4e-5a6c-4e9b-9a57-0f2a6a1f0002"),
        ):
            connection.send(one)
        assert connection.ping().wait(5)
        # In two parts.
        text = frame("request.note")
        connection.send([text[:9], text[9:]])

    with serving(handle) as url:
        one = opened(url)
        one.wait_for(ID)
        with pytest.raises(UnreachableError, match="closed"):
            one.wait_for(ID)
        one.close()

    path = f"/ws/organizations/acme/events?after={NEWEST}&numbers=brief"
    assert asked == [(path, "Bearer dmp_secret")]


def test_it_returns_after_a_while_without_any_event() -> None:
    times = iter([0.0, 1.0, 61.0])

    with serving(lambda connection: connection.send(frame("heartbeat", None))) as url:
        one = opened(url)
        one.wait_for(ID, clock=lambda: next(times))
        one.close()


@pytest.mark.parametrize(
    "sent", ["no JSON", "[]", b"binary", "x" * (MAX_MESSAGE_BYTES + 1)], ids=lambda one: one[:7]
)
def test_anything_but_events_ends_it(sent: str | bytes) -> None:
    with serving(lambda connection: connection.send(sent)) as url:
        one = opened(url)
        with pytest.raises(UnreachableError):
            one.wait_for(ID)
        one.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", RefusedError),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", RefusedError),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", UnreachableError),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n", RefusedError),
        (b"", UnreachableError),
        (b"HTTP/1.1 101 Swi", UnreachableError),
        (b"a" * 100_000, UnreachableError),
        (b"\r\n", UnreachableError),
    ],
)
def test_a_portal_without_the_socket_is_named(answer: bytes, error: type[Exception]) -> None:
    with answering(answer) as url, pytest.raises(error):
        opened(url)


def test_a_portal_that_is_away_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"

    with pytest.raises(UnreachableError):
        opened(url)


def test_without_the_socket_a_pause_comes_between_two_looks() -> None:
    pauses: list[float] = []
    tries: list[int] = []

    def away() -> EventSocket:
        tries.append(len(pauses))
        raise UnreachableError("away")

    news = News(away, 2.0, pauses.append)
    for _ in range(2 * PAUSES_PER_TRY):
        news.wait(ID)

    assert pauses == [2.0] * 2 * PAUSES_PER_TRY
    assert tries == [0, PAUSES_PER_TRY, 2 * PAUSES_PER_TRY]


def test_a_socket_that_is_not_offered_is_not_asked_for_again() -> None:
    tries: list[int] = []

    def refused() -> EventSocket:
        tries.append(1)
        raise RefusedError("not offered")

    news = News(refused, 2.0, lambda _: None)
    for _ in range(2 * PAUSES_PER_TRY):
        news.wait(ID)

    assert len(tries) == 1


def test_a_lost_socket_is_opened_again_and_the_next_look_comes_at_once() -> None:
    pauses: list[float] = []
    connections: list[int] = []

    def handle(connection: ServerConnection) -> None:
        connections.append(1)
        if len(connections) > 1:
            connection.send(frame("request.status"))

    with serving(handle) as url:
        news = News(lambda: opened(url), 2.0, pauses.append)
        news.wait(ID)
        assert pauses == []
        news.wait(ID)
        news.close()

    assert len(connections) == 2
    assert pauses == [0.2]
