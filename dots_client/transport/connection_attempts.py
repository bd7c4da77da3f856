"""Run the attempts of `HappyEyeballs`: the first session wins, the others are closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from dots_client.errors import (
    ConnectCrashed,
    DotsError,
    HandshakeFailed,
    PeerUnreachable,
    TransportError,
    client_failed,
)
from dots_client.failures import FailureText
from dots_client.session import Candidate, HappyEyeballs, HappyEyeballsSettings

log = logging.getLogger("dots_client.transport")

RANKED: Final = (HandshakeFailed, ConnectCrashed, PeerUnreachable)
"""The most informative failure first: a refused handshake says more than a silent address."""


class Closable(Protocol):
    async def close(self) -> None: ...


ConnectionT = TypeVar("ConnectionT", bound=Closable)
Open = Callable[[Candidate, float], Awaitable[ConnectionT]]
"""Opens a session with a candidate within this many seconds, or raises TransportError."""


async def first_to_connect(
    candidates: Sequence[Candidate],
    opens: Open[ConnectionT],
    *,
    timeout_s: float,
    settings: HappyEyeballsSettings,
    first: Candidate | None = None,
) -> tuple[Candidate, ConnectionT]:
    """The first session and its candidate; TransportError if there is none within `timeout_s`."""
    return await _Run(
        opens, HappyEyeballs(candidates, now=_time(), settings=settings, first=first)
    ).first_to_connect(_time() + timeout_s)


class _Run(Generic[ConnectionT]):
    def __init__(self, opens: Open[ConnectionT], race: HappyEyeballs) -> None:
        self._opens = opens
        self._race = race
        self._attempts: dict[asyncio.Task[ConnectionT], Candidate] = {}
        self._numbers: dict[asyncio.Task[ConnectionT], int] = {}
        self._failures: dict[str, list[tuple[int, TransportError]]] = {}

    async def first_to_connect(self, deadline: float) -> tuple[Candidate, ConnectionT]:
        try:
            while True:
                self._begin_what_is_due(deadline)
                if not self._attempts:
                    await self._next_attempt_is_due(deadline)
                    continue
                done, _ = await asyncio.wait(
                    self._attempts,
                    timeout=self._patience_s(deadline),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in sorted(done, key=self._numbers.__getitem__):
                    if not self._has_failed(task):
                        return self._attempts.pop(task), task.result()
        finally:
            await self._stop()

    def _begin_what_is_due(self, deadline: float) -> None:
        now = _time()
        while now < deadline and (candidate := self._race.due(now=now)) is not None:
            task = asyncio.ensure_future(self._opens(candidate, deadline - now))
            self._attempts[task] = candidate
            self._numbers[task] = len(self._numbers)

    async def _next_attempt_is_due(self, deadline: float) -> None:
        """Wait for the next attempt while none runs.

        TransportError if none may start before `deadline`.
        """
        next_at, now = self._race.next_timer(), _time()
        # One that was due before the deadline may not start after it either.
        if next_at is None or max(next_at, now) >= deadline:
            raise self._failure()
        await asyncio.sleep(next_at - now)

    def _patience_s(self, deadline: float) -> float | None:
        # After the deadline no attempt starts, and the running ones end on their own.
        next_at = self._race.next_timer()
        now = _time()
        return None if next_at is None or now >= deadline else max(0.0, next_at - now)

    def _has_failed(self, task: asyncio.Task[ConnectionT]) -> bool:
        error = task.exception()
        if error is None:
            return False
        candidate = self._attempts.pop(task)
        if not isinstance(error, DotsError):
            # The other candidates may still work.
            log.error(
                "%s over %s: this client failed",
                candidate.address,
                candidate.transport,
                exc_info=error,
            )
            error = ConnectCrashed(client_failed(error))
        if not isinstance(error, TransportError):
            raise error
        self._race.failed(candidate, now=_time())
        self._failures.setdefault(candidate.transport, []).append((self._numbers[task], error))
        return True

    def _failure(self) -> TransportError:
        """The most informative failure of each transport."""
        telling = [
            min(errors, key=lambda one: (_rank(one[1]), one[0]))[1]
            for errors in self._failures.values()
        ]
        if not telling:
            return PeerUnreachable("there is no address to try")
        telling.sort(key=_rank)
        words = "; ".join(dict.fromkeys(str(error) for error in telling))
        return type(telling[0])(FailureText(words, telling[0].kind))

    async def _stop(self) -> None:
        for task in self._attempts:
            task.cancel()
        ended = await asyncio.gather(*self._attempts, return_exceptions=True)
        for session in ended:
            if not isinstance(session, BaseException):
                await session.close()


def _rank(error: TransportError) -> int:
    return RANKED.index(type(error)) if type(error) in RANKED else len(RANKED)


def _time() -> float:
    return asyncio.get_running_loop().time()
