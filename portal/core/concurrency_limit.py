"""Limits how many requests run at once to the number of database connections.

Further requests wait instead of failing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from portal.core.asgi_types import Application, Message, Receive, Scope, Send
from portal.core.problem import Problem
from portal.core.sign_in_paths import hashes_password
from portal.core.throttle import subject_of

MAX_CONCURRENT: Final = 6
"""Fewer than the connection pool holds (portal.env); the other connections are for sockets."""
MAX_WAITING: Final = 1000
"""Further requests get 503 immediately, since no one would wait that long."""
MAX_CONCURRENT_PASSWORDS: Final = 2
"""Part of MAX_CONCURRENT, so that a flood of sign-ins leaves the other slots to people who are
signed in.
"""
MAX_PASSWORDS_WAITING: Final = 100
"""Half a minute of hashing."""
MAX_PASSWORDS_WAITING_PER_NETWORK: Final = 10
"""Per IPv4 address or IPv6 /64, so that one place cannot fill the queue."""
MAX_CONCURRENT_ALERTS: Final = 2
"""Part of MAX_CONCURRENT: calls of detectors come by the thousand during an attack, and a person
who asks for help then must not wait behind them.
"""
MAX_ALERTS_WAITING: Final = 500
"""Further calls get 503; a detector sends again."""
MAX_ALERTS_WAITING_PER_NETWORK: Final = 200
RETRY_AFTER_S: Final = 5

ALERTS_PATH: Final = "/api/v1/alerts/"
"""Before the id of an endpoint of a detector."""

_TOO_BUSY: Final = Problem(
    status=503,
    code="too-busy",
    title="The portal is very busy",
    detail=f"Too many requests are already waiting. Try again in {RETRY_AFTER_S} seconds.",
)


class ConcurrencyLimit:
    """A request takes a slot once its body is complete and frees it with the head of the response,
    so a slow client occupies none.
    """

    def __init__(
        self,
        application: Application,
        *,
        max_concurrent: int = MAX_CONCURRENT,
        max_waiting: int = MAX_WAITING,
        max_waiting_per_network: int | None = None,
        applies_to: Callable[[Scope], bool] = lambda _: True,
    ) -> None:
        self.application = application
        self.max_waiting = max_waiting
        self.max_waiting_per_network = max_waiting_per_network or max_waiting
        self._applies_to = applies_to
        self._slots = asyncio.Semaphore(max_concurrent)
        self._waiting: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._applies_to(scope):
            return await self.application(scope, receive, send)
        network = subject_of(scope["client"][0]) if scope.get("client") else ""
        has_slot = False

        async def receiving() -> Message:
            nonlocal has_slot
            message = await receive()
            is_whole = message["type"] == "http.request" and not message.get("more_body", False)
            if is_whole and not has_slot:
                if self._is_full(network):
                    await _TOO_BUSY.send(send, (b"retry-after", str(RETRY_AFTER_S).encode()))
                    return {"type": "http.disconnect"}
                await self._wait(network)
                has_slot = True
            return message

        async def answering(message: Message) -> None:
            free_slot()
            await send(message)

        def free_slot() -> None:
            nonlocal has_slot
            if has_slot:
                has_slot = False
                self._slots.release()

        try:
            await self.application(scope, receiving, answering)
        finally:
            free_slot()
        return None

    def _is_full(self, network: str) -> bool:
        """Check this once the body has arrived, so that sending many heads first does not bypass
        the limit.
        """
        return (
            self._waiting.total() >= self.max_waiting
            or self._waiting[network] >= self.max_waiting_per_network
        )

    async def _wait(self, network: str) -> None:
        self._waiting[network] += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting[network] -= 1
            if not self._waiting[network]:
                del self._waiting[network]


def with_concurrency_limits(application: Application) -> Application:
    """Requests that hash a password, and calls of detectors, first wait for one of a few separate
    slots, then for a normal one.
    """
    alerts_limited = ConcurrencyLimit(
        ConcurrencyLimit(application),
        max_concurrent=MAX_CONCURRENT_ALERTS,
        max_waiting=MAX_ALERTS_WAITING,
        max_waiting_per_network=MAX_ALERTS_WAITING_PER_NETWORK,
        applies_to=lambda scope: scope["path"].startswith(ALERTS_PATH),
    )
    return ConcurrencyLimit(
        alerts_limited,
        max_concurrent=MAX_CONCURRENT_PASSWORDS,
        max_waiting=MAX_PASSWORDS_WAITING,
        max_waiting_per_network=MAX_PASSWORDS_WAITING_PER_NETWORK,
        applies_to=lambda scope: hashes_password(scope["method"], scope["path"]),
    )
