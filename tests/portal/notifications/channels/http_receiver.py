"""A real HTTP server on loopback that records what it gets and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One call."""

    method: str
    path: str
    "with the query"
    headers: dict[str, str]
    "by name in lower case"
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """What it got, and how it answers."""

    url: str
    got: list[Received] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    "another status and body for a path that begins so"
    act: Callable[[BaseHTTPRequestHandler], None] | None = None
    "instead of an answer"

    @property
    def only(self) -> Received:
        [one] = self.got
        return one


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        own: HttpReceiver = self.server.receiver  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        own.got.append(Received(self.command, self.path, headers, self.rfile.read(length)))
        if own.act is not None:
            own.act(self)
            return
        status, body = own.status, own.body
        for path, answer in own.answers.items():
            if self.path.startswith(path):
                status, body = answer
        self.send_response(status)
        for name, value in own.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def running() -> Iterator[HttpReceiver]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    own = HttpReceiver(url=f"http://127.0.0.1:{server.server_port}")
    server.receiver = own  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
