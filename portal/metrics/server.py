"""Serves `/metrics` on a separate port, in a thread beside the process's work."""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.conf import settings
from prometheus_client import CollectorRegistry, make_wsgi_app

from portal.core.metrics import REGISTRY
from portal.metrics.rows import RowCollector

logger = logging.getLogger(__name__)

PATH: Final = "/metrics"
CLIENT_TIMEOUT_S: Final = 5.0
MAX_CLIENTS: Final = 8
"""Connections at once; further ones are closed."""

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_server: MetricsServer | None = None


def serve_metrics() -> None:
    """Serve this process's metrics if PORTAL_METRICS_ADDRESS is set.

    An address in use is logged, and the process works without metrics: they must not stop what
    they observe.
    """
    global _server
    if settings.METRICS_ADDRESS is None or _server is not None:
        return
    host, port = settings.METRICS_ADDRESS
    try:
        _server = MetricsServer(host, port, REGISTRY, token=settings.METRICS_TOKEN)
    except OSError as error:
        logger.error("no metrics: cannot listen on %s port %s: %s", host, port, error)
    else:
        REGISTRY.register(RowCollector())
        logger.info("metrics: http://%s:%s%s", host, _server.server_port, PATH)


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Listens until `close`. An empty `token` lets every caller read. Raises OSError."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, *, token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._host = host
        self._places = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__((host, port), _Handler)
        self.set_app(application(registry, token=token))
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    def server_bind(self) -> None:
        # WSGIServer's own looks up the name of the address, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.warning("metrics: a request failed", exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Writes no access log."""


def application(registry: CollectorRegistry, *, token: str) -> Application:
    """The WSGI application."""
    metrics = make_wsgi_app(registry, disable_compression=True)
    expected = f"Bearer {token}".encode()

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
        if token and not hmac.compare_digest(given, expected):
            return refuse(start_response, "401 Unauthorized", ("WWW-Authenticate", "Bearer"))
        if environ["PATH_INFO"] != PATH:
            return refuse(start_response, "404 Not Found")
        if environ["REQUEST_METHOD"] != "GET":
            return refuse(start_response, "405 Method Not Allowed", ("Allow", "GET"))
        body: Iterable[bytes] = metrics(environ, start_response)
        return body

    return answer


def refuse(
    start_response: StartResponse, status: str, *headers: tuple[str, str]
) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{status}\n".encode()]
