"""The separate port on which a process serves its metrics."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter

from portal.metrics import server
from portal.metrics.server import MAX_CLIENTS, MetricsServer, serve_metrics

TOKEN = "correct-horse"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("tries", "A counter.", registry=registry).inc()
    return registry


@pytest.fixture
def guarded(registry: CollectorRegistry) -> Iterator[MetricsServer]:
    own = MetricsServer("127.0.0.1", 0, registry, token=TOKEN)
    yield own
    own.close()


def ask(own: MetricsServer, path: str = "/metrics", **request: Any) -> tuple[int, str]:
    url = f"http://127.0.0.1:{own.server_port}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_token_opens_the_metrics(guarded: MetricsServer) -> None:
    status, text = ask(guarded, headers=bearer(TOKEN))

    assert status == 200
    assert "tries_total 1.0" in text


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer("wrong"), bearer("ü"), {"Authorization": TOKEN}],
    ids=str,
)
def test_nothing_else_opens_them(guarded: MetricsServer, headers: dict[str, str]) -> None:
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert ask(guarded, headers=headers) == (401, "401 Unauthorized\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/api/v1/"])
def test_there_is_nothing_but_metrics(guarded: MetricsServer, path: str) -> None:
    assert ask(guarded, path, headers=bearer(TOKEN))[0] == 404


def test_metrics_can_only_be_read(guarded: MetricsServer) -> None:
    assert ask(guarded, headers=bearer(TOKEN), data=b"x=1")[0] == 405


def test_loopback_needs_no_token(registry: CollectorRegistry) -> None:
    own = MetricsServer("127.0.0.1", 0, registry, token="")
    assert ask(own)[0] == 200
    own.close()


def test_idle_connections_are_limited(guarded: MetricsServer) -> None:
    address = ("127.0.0.1", guarded.server_port)
    idle = [socket.create_connection(address, timeout=10) for _ in range(MAX_CLIENTS)]

    with socket.create_connection(address, timeout=10) as refused:
        assert refused.recv(1) == b""

    for one in idle:
        one.close()


def test_a_process_works_without_metrics_if_the_port_is_taken(
    settings: Any, guarded: MetricsServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings.METRICS_ADDRESS = ("127.0.0.1", guarded.server_port)

    serve_metrics()

    assert server._server is None
    assert "no metrics: cannot listen on 127.0.0.1" in caplog.text


def test_metrics_are_off_by_default(settings: Any) -> None:
    assert settings.METRICS_ADDRESS is None

    serve_metrics()

    assert server._server is None
