from __future__ import annotations

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from portal.asgi import application
from portal.core.asgi import MAX_BODY_BYTES

pytestmark = pytest.mark.django_db(transaction=True)


async def status_of(chunks: list[bytes], *headers: tuple[bytes, bytes]) -> int:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/v1/auth/token",
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json"), *headers],
        "client": ("127.0.0.1", 1),
    }
    call = ApplicationCommunicator(application, scope)
    for position, chunk in enumerate(chunks, start=1):
        await call.send_input(
            {"type": "http.request", "body": chunk, "more_body": position < len(chunks)}
        )
    answer: dict[str, Any] = await call.receive_output(5)
    while (await call.receive_output(5)).get("more_body"):
        pass
    await call.wait(5)
    return int(answer["status"])


async def test_a_body_that_declares_too_much_is_not_read() -> None:
    declared = (b"content-length", str(MAX_BODY_BYTES + 1).encode())

    assert await status_of([b""], declared) == 413


async def test_a_body_that_turns_out_too_long_is_413() -> None:
    half = b" " * (MAX_BODY_BYTES // 2)

    assert await status_of([half, half, b" "]) == 413


async def test_a_body_of_the_allowed_size_reaches_the_call() -> None:
    assert await status_of([b"{}"]) == 400
