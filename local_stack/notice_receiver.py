"""Where the demo's notices go beside the mail: a web server that prints each in the terminal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local_stack.ports import LOOPBACK, free_port_from

USUAL_PORT = 4655
MAX_BYTES = 65_536


@contextmanager
def notice_receiver(on_title: Callable[[str], None]) -> Iterator[str]:
    """Serve while the block runs; yields the address. `on_title` gets the title of each notice."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), MAX_BYTES)
            try:
                title = str(json.loads(self.rfile.read(length))["data"]["title"])
            except (ValueError, KeyError, TypeError):
                self.send_error(400)
                return
            on_title(title)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The titles say enough."""

    server = ThreadingHTTPServer((LOOPBACK, free_port_from(USUAL_PORT)), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
