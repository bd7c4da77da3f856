"""The session of a gateway with the provider behind it, which all its clients share."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from dots_client import (
    Client,
    ClientCache,
    ClientSettings,
    Credentials,
    Reconnect,
    Refused,
    Server,
    ServerUnavailable,
    SessionClosed,
    TransportError,
    connect,
    cuid_from_certificate,
)
from dots_client.server import Rng

log = logging.getLogger("provider_simulator")

SETTINGS: Final = ClientSettings(
    handshake_timeout_s=5.0,
    heartbeat_interval_s=15.0,
    missing_hb_allowed=3,
    heartbeat_wait_s=0.5,
)
HEARTBEATS_BEFORE_LOST: Final = 5
"""Sent one after the other to a provider that did not answer a request."""
URGENT_FOR_S: Final = 60.0
"""After a request within this time, reconnecting is as urgent as during an attack."""

# Sent to clients, which must not learn the addresses behind a gateway.
NOT_YET: Final = "the provider has not been reached yet"
UNREACHABLE: Final = "the provider cannot be reached"
NO_ANSWER: Final = "the provider does not answer"
OVER: Final = "the session with the provider is over"


class Upstream:
    """Keeps a session open until cancelled.

    `client` is None while there is none; `why` says why.
    """

    def __init__(self, server: Server, credentials: Credentials, *, rng: Rng) -> None:
        self.client: Client | None = None
        self.why = NOT_YET
        self.server = server
        self._credentials = credentials
        self._cuid = cuid_from_certificate(credentials.certificate_chain)
        self._reconnect = Reconnect(rng=rng)
        self._cache = ClientCache()
        self._check: asyncio.Task[bool] | None = None
        self._is_dead = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted_at = float("-inf")

    def wanted(self) -> None:
        """A client sent a request: if there is no session, reconnect sooner."""
        self._wanted_at = _now()
        self._wanted.set()

    async def answers(self, client: Client) -> bool:
        """Whether the provider still answers on this session. If not, close the session."""
        if self.client is not client:
            return False
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._is_there(client))
        # All waiting requests share one check, and each may be cancelled before it is done.
        return await asyncio.shield(self._check)

    async def _is_there(self, client: Client) -> bool:
        for _ in range(HEARTBEATS_BEFORE_LOST):
            try:
                if await client.heartbeat():
                    return True
            except SessionClosed:
                return False
            except (Refused, ServerUnavailable):
                return True  # a refusal is an answer
        if self.client is client:
            self._lost(NO_ANSWER)
            self._is_dead.set()
        return False

    async def run(self) -> None:
        try:
            while True:
                await self._until_due()
                self._reconnect.attempted(now=_now())
                try:
                    await self._hold()
                except TransportError as error:
                    log.info("no session with the provider: %s", error)
                    self.why = UNREACHABLE
        finally:
            if self._check is not None:
                self._check.cancel()

    async def _hold(self) -> None:
        async with connect(
            self.server,
            self._credentials,
            cuid=self._cuid,
            settings=SETTINGS,
            cache=self._cache,
            is_under_attack=self._is_wanted,
        ) as client:
            log.info("%s: session with the provider", client.peer)
            self._reconnect.succeeded(now=_now())
            self._is_dead.clear()
            self.client = client
            try:
                await self._until_over(client)
            finally:
                self._lost(OVER)

    async def _until_over(self, client: Client) -> None:
        closed = asyncio.create_task(client.closed())
        others = [
            asyncio.create_task(event.wait()) for event in (self._is_dead, client.should_move)
        ]
        try:
            await asyncio.wait({closed, *others}, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                log.info("%s: session with the provider ended: %s", client.peer, closed.result())
        finally:
            for task in (closed, *others):
                task.cancel()

    def _lost(self, why: str) -> None:
        if self.client is not None:
            self.client, self.why = None, why

    @property
    def _is_wanted(self) -> bool:
        return _now() - self._wanted_at < URGENT_FOR_S

    async def _until_due(self) -> None:
        while True:
            self._wanted.clear()
            due_at = self._reconnect.next_attempt_at(now=_now(), is_under_attack=self._is_wanted)
            if (delay_s := due_at - _now()) <= 0:
                return
            try:
                async with asyncio.timeout(delay_s):
                    await self._wanted.wait()
            except TimeoutError:
                continue


def _now() -> float:
    return asyncio.get_running_loop().time()
