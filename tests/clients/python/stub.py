"""A portal that gives prepared answers over real HTTP, and a command that runs against it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from portalctl.cli import main
from portalctl.private_files import Saved, store
from portalctl.terminal import Terminal

POLL_S = 0.02
"""How soon the server notices its end."""
BROKEN = -1
"""Instead of a status: the connection breaks before an answer."""
ID = "0b9f7f4e-5a6c-4e9b-9a57-0f2a6a1f0001"


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Prepared:
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Stub:
    """`answers` in their order; the last one stays."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[Call] = []
        self.answers: list[Prepared] = []

    def prepare(self, *answers: Prepared) -> None:
        self.answers[:] = answers

    def next_answer(self) -> Prepared:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving() -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if self.path.startswith("/ws/"):
                # Without an event socket, `watch` asks from time to time.
                self.send_error(404)
                return
            stub.calls.append(Call(self.command, self.path, dict(self.headers), body))
            prepared = stub.next_answer()
            if prepared.status == BROKEN:
                self.close_connection = True
                return
            content = json.dumps(prepared.body).encode()
            self.send_response(prepared.status)
            for name, value in prepared.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """The tests look at `calls`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(POLL_S,))
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


class Run:
    """One command: its exit code, what it wrote, and the pauses that it asked for."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        stdin: str | None = None,
        typed: Sequence[str] = (),
        interrupted: bool = False,
    ) -> None:
        """`stdin`: None for a terminal, where a person types `typed`. `interrupted`: by Ctrl-C in
        the first pause.
        """
        self.pauses: list[float] = []
        out, err, typing = io.StringIO(), io.StringIO(), iter(typed)
        terminal = Terminal(
            out=out,
            err=err,
            read=io.StringIO(stdin or "").read,
            is_interactive=lambda: stdin is None,
            ask=lambda _: next(typing),
            ask_secret=lambda _: next(typing),
            environ={"XDG_CONFIG_HOME": str(folder)},
            sleep=_interrupt if interrupted else self.pauses.append,
        )
        self.code = main(words, terminal)
        self.out, self.err = out.getvalue(), err.getvalue()


def sign_in(stub: Stub, folder: Path) -> None:
    saved = Saved(stub.url, "dmp_secret", "acme", is_session=False)
    store(saved, {"XDG_CONFIG_HOME": str(folder)})


def shown(status: str = "requesting", **changed: Any) -> dict[str, Any]:
    """A request as the API shows it, with the members that the commands read."""
    return {
        "id": ID,
        "name": "Amber falcon",
        "status": status,
        "targets": {"prefixes": ["203.0.113.7/32"], "fqdns": [], "uris": [], "resources": []},
        "created_at": "2026-11-29T18:00:00.123Z",
        "created_by": "alice",
        "lifetime": 3600,
        "reason": "",
        "ended_at": None,
        "mitigations": [],
        **changed,
    }


def mitigation(status: str, refusal: dict[str, str] | None = None) -> dict[str, Any]:
    return {"id": "m1", "provider": "Northgate", "status": status, "refusal": refusal}


def problem(status: int, code: str, detail: str, **members: Any) -> dict[str, Any]:
    """application/problem+json as docs/openapi.yaml describes it."""
    return {
        "type": f"urn:portal:problem:{code}",
        "title": detail,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [],
        **members,
    }
