from __future__ import annotations

from typing import Any

import pytest

from dots_client.server import DOTS_CBOR
from dots_server.messages import Request, text
from provider_simulator.request_log import MAX_REQUESTS, RequestLog

HEARTBEAT = Request(method="PUT", path=(".well-known", "dots", "hb"))


def logged(request: Request) -> dict[str, Any]:
    log = RequestLog()
    log.add(request, text("4.00", "no"), client="acme", at=5.0)
    [entry] = log.after(0)
    return entry


def test_only_the_last_requests_are_kept() -> None:
    log = RequestLog()
    for _ in range(MAX_REQUESTS + 5):
        log.add(HEARTBEAT, None, client="acme", at=0.0)

    kept = log.after(0)

    assert (len(kept), kept[0]["n"], kept[-1]["n"]) == (MAX_REQUESTS, 6, MAX_REQUESTS + 5)
    assert kept[0]["answer"] is None


@pytest.mark.parametrize(
    ("payload", "content_format", "body"),
    [
        (b"\xa0", DOTS_CBOR, {}),
        (b"\xff", DOTS_CBOR, "ff"),
        (b"\xa0", None, None),
    ],
)
def test_a_body_is_shown_as_json_or_as_hexadecimal(
    payload: bytes, content_format: int | None, body: object
) -> None:
    request = Request(method="PUT", path=(), payload=payload, content_format=content_format)

    assert logged(request)["body"] == body


def test_a_path_of_another_resource_has_no_mid() -> None:
    assert (logged(HEARTBEAT)["cuid"], logged(HEARTBEAT)["mid"]) == (None, None)
    assert logged(Request(method="GET", path=("x",)))["path"] == "/x"
