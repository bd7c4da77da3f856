"""The people of an installation's organizations: programs that submit, and open event sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.installation import Installation, prefix_of
from tests.bench.report import NEVER
from tests.integration.stack import control

PATIENCE_S: Final = 300.0
"""How long a caller or an opening socket waits."""
LOOK_EVERY_S: Final = 0.1
PAUSE_S: Final = 0.2
CONFIRMED: Final = ("in_progress", "mitigating")
OPENING_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that the portal accepted. `posted_at`: seconds since 1970."""

    slug: str
    id: str
    mid: int
    mitigation: str
    posted_at: float
    answered_after_s: float


@dataclass(frozen=True, slots=True)
class Frame:
    """An event on a socket, in seconds since 1970: when it was written, and when it came."""

    written_at: float
    received_at: float


@dataclass(frozen=True, slots=True)
class Confirmations:
    """Seconds from each POST until the confirmation was saved, and until a socket showed it."""

    saved: list[float]
    shown: list[float]


@dataclass
class Callers:
    """`async with` opens the sockets and closes everything."""

    installation: Installation
    listening: Sequence[str]
    "organizations with an open socket"
    refused: Counter[str] = field(default_factory=Counter)
    "calls, by status or error"
    frames: dict[tuple[str, str], Frame] = field(default_factory=dict)
    "the first event of each status, by mitigation and status"
    events: int = 0
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    _sockets: list[asyncio.Task[None]] = field(default_factory=list)
    _has_news: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Counter[str] = field(default_factory=Counter)

    async def __aenter__(self) -> Callers:
        free = asyncio.Semaphore(OPENING_AT_ONCE)
        async with asyncio.TaskGroup() as opening:
            opened = [opening.create_task(self._open(slug, free)) for slug in self.listening]
        self._sockets = [asyncio.create_task(self._listen(one.result())) for one in opened]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        for socket in self._sockets:
            socket.cancel()
        await asyncio.gather(*self._sockets, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    async def submit(self, slug: str, *, subscription: str | None = None) -> Submitted | None:
        """A request for one more address of the organization; None if it was refused."""
        number = self._numbers[slug]
        self._numbers[slug] += 1
        body: dict[str, Any] = {
            "targets": {"prefixes": [prefix_of(slug, number)]},
            "lifetime": 3600,
        }
        if subscription is not None:
            body["subscriptions"] = [subscription]
        posted_at, began = time.time(), time.perf_counter()
        try:
            answer = await self._client(slug).post(
                f"organizations/{slug}/mitigation-requests",
                json=body,
                headers={"Idempotency-Key": f"bench {number}"},
            )
        except httpx.TransportError as error:
            self.refused[type(error).__name__] += 1
            return None
        passed_s = time.perf_counter() - began
        if not answer.is_success:
            self.refused[str(answer.status_code)] += 1
            return None
        shown = answer.json()
        (mitigation,) = shown["mitigations"]
        return Submitted(
            slug, shown["id"], mitigation["mid"], mitigation["id"], posted_at, passed_s
        )

    async def submit_all(
        self, slugs: Sequence[str], each: int, *, within_s: float, subscription: str | None = None
    ) -> list[Submitted]:
        """`each` requests of every organization in turn, evenly over that time."""
        total, began = len(slugs) * each, time.monotonic()

        async def one(number: int) -> Submitted | None:
            due = began + number * within_s / total
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            return await self.submit(slugs[number % len(slugs)], subscription=subscription)

        found = await asyncio.gather(*map(one, range(total)))
        return [request for request in found if request is not None]

    async def terminate(self, request: Submitted) -> None:
        path = f"organizations/{request.slug}/mitigation-requests/{request.id}/terminate"
        answer = await self._client(request.slug).post(path)
        answer.raise_for_status()

    async def frame(self, mitigation: str, statuses: Iterable[str], within_s: float) -> Frame:
        """The first event that the mitigation has one of these statuses.

        Its times are NEVER if none came in time.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for status in statuses:
                        if (found := self.frames.get((mitigation, status))) is not None:
                            return found
                    self._has_news.clear()
                    await self._has_news.wait()
        except TimeoutError:
            return Frame(NEVER, NEVER)

    async def confirmations(
        self, slug: str, samples: int, *, patience_s: float, subscription: str | None = None
    ) -> Confirmations:
        """Requests one after the other; each is terminated when its socket said "confirmed"."""
        found = Confirmations([], [])
        for _ in range(samples):
            request = await self.submit(slug, subscription=subscription)
            if request is None:
                continue
            frame = await self.frame(request.mitigation, CONFIRMED, patience_s)
            found.saved.append(frame.written_at - request.posted_at)
            found.shown.append(frame.received_at - request.posted_at)
            await self.terminate(request)
            await asyncio.sleep(PAUSE_S)
        return found

    async def _open(self, slug: str, free: asyncio.Semaphore) -> ClientConnection:
        url = self.installation.stack.url.replace("http", "ws")
        async with free:
            return await connect(
                f"{url}/ws/organizations/{slug}/events?after=0",
                additional_headers=self._headers(slug),
                max_queue=None,
                open_timeout=PATIENCE_S,
            )

    async def _listen(self, socket: ClientConnection) -> None:
        async with socket:
            async for message in socket:
                self._take(json.loads(message))

    def _take(self, event: Mapping[str, Any]) -> None:
        self.events += event["type"] != "heartbeat"
        if event["type"] == "mitigation.status":
            key = event["mitigation"], event["data"]["status"]
            written_at = _seconds(event["at"])
            self.frames.setdefault(key, Frame(written_at, time.time()))
            self._has_news.set()

    def _client(self, slug: str) -> httpx.AsyncClient:
        # One each: a pool with a thousand waiting calls is slower than the portal.
        if slug not in self._clients:
            self._clients[slug] = httpx.AsyncClient(
                base_url=f"{self.installation.stack.url}/api/v1/",
                timeout=PATIENCE_S,
                headers=self._headers(slug),
            )
        return self._clients[slug]

    def _headers(self, slug: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.installation.tokens[slug]}"}


class Arrivals:
    """When a provider read the first PUT of each mitigation, in seconds since 1970."""

    def __init__(self, installation: Installation, provider: str = "northgate") -> None:
        self._installation = installation
        self._provider = provider
        self._seen = 0
        self._found: dict[tuple[str, int], float] = {}
        "by client and mid"

    async def of(self, requests: Iterable[Submitted], *, within_s: float) -> list[float]:
        """How long after its POST, for each; NEVER if it did not arrive in time."""
        requests = list(requests)
        deadline = time.monotonic() + within_s
        await self._look()
        while not all((one.slug, one.mid) in self._found for one in requests):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look()
        return [self._found.get((one.slug, one.mid), NEVER) - one.posted_at for one in requests]

    async def _look(self) -> None:
        path = f"/requests?after={self._seen}"
        log = await asyncio.to_thread(control, self._installation.stack, self._provider, path)
        self._seen = log["last"]
        for one in log["requests"]:
            if one["method"] == "PUT" and one["mid"] is not None:
                self._found.setdefault((one["client"], one["mid"]), one["at"])


async def report(
    installation: Installation, request: Submitted, status: int, *, provider: str = "northgate"
) -> float:
    """Have the provider report this status of one mitigation; returns when, in seconds since 1970.

    NotHeld: it does not hold the mitigation.
    """
    state = await asyncio.to_thread(control, installation.stack, provider, "/state")
    for one in state["mitigations"]:
        if (one["client"], one["mid"]) == (request.slug, request.mid):
            path = f"/mitigations/{one['cuid']}/{one['mid']}/status"
            answer = await asyncio.to_thread(
                control, installation.stack, provider, path, {"status": status}
            )
            return float(answer["at"])
    raise NotHeld(f"{provider} does not hold mid {request.mid} of {request.slug}")


class NotHeld(Exception):
    """The provider does not hold a mitigation that the portal has requested."""


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
