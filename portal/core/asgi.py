"""What must be stopped before Django reads it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""So much is read, and what is too long in it is told at its field. Django would put a longer body on the disk, however long."""

_PROBLEM: Final = json.dumps(
    {
        "type": "urn:portal:problem:body-too-large",
        "title": "This is too large",
        "status": 413,
        "detail": f"The body is larger than {MAX_BODY_BYTES:,} bytes.",
        "code": "body-too-large",
        "errors": [],
    }
).encode()


class BoundedBodies:
    """Answers 413 once a body is longer than MAX_BODY_BYTES, declared or not."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _declared_bytes(scope) > MAX_BODY_BYTES:
            return await _refuse(send)
        body = _Body(receive)
        has_answered = False

        async def answering(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        await self.application(scope, body.receive, answering)
        if body.is_too_large and not has_answered:
            await _refuse(send)
        return None


class _Body:
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    @property
    def is_too_large(self) -> bool:
        return self._bytes > MAX_BODY_BYTES

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_too_large else message


def _declared_bytes(scope: Scope) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _PROBLEM})
