"""As many requests at once as there are database connections for; the others wait their turn instead of failing."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from portal.core.asgi import Application, Message, Receive, Scope, Send

AT_ONCE: Final = 6
"""Fewer than the connection pool holds (portal.env): the rest is for sockets."""
MAX_WAITING: Final = 1000
"""Beyond it the answer is 503 at once: nobody waits that long."""
RETRY_AFTER_S: Final = 5

_PROBLEM: Final = json.dumps(
    {
        "type": "urn:portal:problem:too-busy",
        "title": "The portal is very busy",
        "status": 503,
        "detail": f"Too many requests wait already. Try again in {RETRY_AFTER_S} seconds.",
        "code": "too-busy",
        "errors": [],
    }
).encode()


class Turns:
    """A turn begins when the request has arrived as a whole and ends with the head of its answer: no slow line takes one."""

    def __init__(self, application: Application, *, at_once: int = AT_ONCE) -> None:
        self.application = application
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._waiting >= MAX_WAITING:
            return await _refuse(send)
        has_turn = False

        async def receiving() -> Message:
            nonlocal has_turn
            message = await receive()
            is_whole = message["type"] == "http.request" and not message.get("more_body", False)
            if is_whole and not has_turn:
                self._waiting += 1
                try:
                    await self._turns.acquire()
                finally:
                    self._waiting -= 1
                has_turn = True
            return message

        async def answering(message: Message) -> None:
            end_turn()
            await send(message)

        def end_turn() -> None:
            nonlocal has_turn
            if has_turn:
                has_turn = False
                self._turns.release()

        try:
            await self.application(scope, receiving, answering)
        finally:
            end_turn()
        return None


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _PROBLEM})
