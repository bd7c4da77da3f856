"""A gateway's own session with the provider behind it: one for everybody who asks through the gateway."""

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
"""Asked one after the other of a provider that left a request unanswered."""
ASKED_LATELY_S: Final = 60.0
"""While somebody asked within this time, a new session is tried for as during an attack."""

# Told to clients, whose business the addresses behind a gateway are not.
NOT_YET: Final = "the provider has not been reached yet"
UNREACHABLE: Final = "the provider cannot be reached"
NO_ANSWER: Final = "the provider does not answer"
OVER: Final = "the session with the provider is over"


class Upstream:
    """Keeps the session until cancelled. `client` is None while there is none; `why` says why, in words."""

    def __init__(self, server: Server, credentials: Credentials, *, rng: Rng) -> None:
        self.client: Client | None = None
        self.why = NOT_YET
        self.server = server
        self._credentials = credentials
        self._cuid = cuid_from_certificate(credentials.certificate_chain)
        self._reconnect = Reconnect(rng=rng)
        self._cache = ClientCache()
        self._check: asyncio.Task[bool] | None = None
        self._given_up = asyncio.Event()
        self._asked = asyncio.Event()
        self._asked_at = float("-inf")

    def wanted(self) -> None:
        """Somebody asks: without a session this shortens the wait for one."""
        self._asked_at = _now()
        self._asked.set()

    async def answers(self, client: Client) -> bool:
        """Whether the provider still answers on this session, which is given up if it does not."""
        if self.client is not client:
            return False
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._is_there(client))
        # One for all who wait, and one of them may leave before it is done.
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
            self._given_up.set()
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
            self._given_up.clear()
            self.client = client
            try:
                await self._until_over(client)
            finally:
                self._lost(OVER)

    async def _until_over(self, client: Client) -> None:
        closed = asyncio.create_task(client.closed())
        others = [
            asyncio.create_task(event.wait()) for event in (self._given_up, client.should_move)
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
        return _now() - self._asked_at < ASKED_LATELY_S

    async def _until_due(self) -> None:
        while True:
            self._asked.clear()
            due_at = self._reconnect.next_attempt_at(now=_now(), is_under_attack=self._is_wanted)
            if (delay_s := due_at - _now()) <= 0:
                return
            try:
                async with asyncio.timeout(delay_s):
                    await self._asked.wait()
            except TimeoutError:
                continue


def _now() -> float:
    return asyncio.get_running_loop().time()
