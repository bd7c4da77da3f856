"""One request that a gateway forwards to its server, and every answer to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import aiocoap

from dots_client.client.client import Client
from dots_client.client.observation import DEREGISTER, REGISTER
from dots_client.client.request_layer import Outcome, Request
from dots_client.client.responses import redirection_of
from dots_client.errors import DotsError
from dots_client.session import NotificationOrder

__all__ = ["DEREGISTER", "REGISTER", "Forwarding"]

MAX_QUEUED: Final = 32
"""Notifications of one observation. A slow reader misses the oldest."""


class Forwarding:
    """A context manager: entering it sends `request` once, leaving it ends an observation.

    Nothing is repeated: the client that asked the gateway repeats its request.
    """

    def __init__(self, client: Client, request: Request) -> None:
        self._requests = client.requests
        # An observation keeps one token: leaving needs it.
        tokens = self._requests.link.endpoint.tokens
        token = tokens.next_token() if request.observe == REGISTER else b""
        self._request = replace(request, token=token)
        self._order = NotificationOrder()
        self._queue: deque[Outcome] = deque(maxlen=MAX_QUEUED)
        self._has_arrived = asyncio.Event()
        self._stop: Callable[[], None] | None = None

    def __enter__(self) -> Forwarding:
        try:
            self._stop = self._requests.transmit(self._request, self._add)
        except DotsError as error:
            self._add(error)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stop is not None:
            self._stop()
        if self._request.observe == REGISTER and not self._requests.link.closed.done():
            departure = replace(self._request, observe=DEREGISTER)
            self._requests.transmit(departure, lambda _outcome: None)()

    async def next_answer(self) -> aiocoap.Message:
        """The answer, or the next notification, with all its blocks. Waits without a limit.

        Raises Redirected when the server redirects this session, which then migrates;
        RequestTooLarge if the request does not fit one message; other DotsErrors when the session
        has ended.
        """
        while not self._queue:
            self._has_arrived.clear()
            await self._has_arrived.wait()
        outcome = self._queue.popleft()
        if isinstance(outcome, DotsError):
            raise outcome
        answer = await self._requests.fetch_blocks(self._request, outcome)
        if (redirected := redirection_of(answer)) is not None:
            raise redirected
        return answer

    def _add(self, outcome: Outcome) -> None:
        if not isinstance(outcome, DotsError):
            now = asyncio.get_running_loop().time()
            if not self._order.is_news(outcome.opt.observe, now=now):
                return
        self._queue.append(outcome)
        self._has_arrived.set()
