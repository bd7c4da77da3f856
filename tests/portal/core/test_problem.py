"""A refusal before Django reads the request looks like one of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from portal.core.asgi_types import Application, Receive, Scope, Send
from portal.core.body_limits import BoundedBodies, Utf8Bodies
from portal.core.concurrency_limit import ConcurrencyLimit


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


@pytest.mark.parametrize(
    ("application", "headers", "status", "code"),
    [
        (BoundedBodies(reads), [(b"content-length", b"9999999")], 413, "body-too-large"),
        (
            Utf8Bodies(reads),
            [(b"content-type", b"text/plain; charset=utf-7")],
            415,
            "unsupported-media-type",
        ),
        (ConcurrencyLimit(reads, max_waiting=0, max_concurrent=0), [], 503, "too-busy"),
    ],
    ids=["too large", "not UTF-8", "too busy"],
)
async def test_a_refusal_before_django_is_problem_json(
    application: Application, headers: list[tuple[bytes, bytes]], status: int, code: str
) -> None:
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await application({"headers": headers, "path": "/", "method": "POST"}, receive, send)

    start, end = sent
    body = json.loads(end["body"])
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (
        status,
        b"application/problem+json",
    )
    assert body == {
        "type": f"urn:portal:problem:{code}",
        "title": body["title"],
        "status": status,
        "detail": body["detail"],
        "code": code,
        "errors": [],
    }
