"""The pace at which a worker opens sessions in peacetime.

A worker that starts has a thousand to open, and so has one whose provider restarts. If it began all
handshakes at once, they would take the processor from each other until many failed; and after a
failure RFC 9132 section 4.7 asks for a pause of a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 16
TURN_S: Final = 1.0
"""A turn ends after this time, so that a server that does not answer delays the others briefly."""


class Turn:
    """One place in the queue, until `end`."""

    def __init__(self, turns: OpeningTurns) -> None:
        self.has_come = asyncio.Event()
        self._turns = turns
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.has_come.set()
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self.end)

    def end(self) -> None:
        """May be called again, and before the turn has come."""
        if self._timer is not None:
            self._timer.cancel()
        self._turns.ended(self)


class OpeningTurns:
    """Of all sessions of a worker, first come, first served. Call every method on its loop."""

    def __init__(self) -> None:
        self._waiting: deque[Turn] = deque()
        self._running: set[Turn] = set()

    def queue(self) -> Turn:
        turn = Turn(self)
        self._waiting.append(turn)
        self._begin_next()
        return turn

    def ended(self, turn: Turn) -> None:
        self._running.discard(turn)
        if turn in self._waiting:
            self._waiting.remove(turn)
        self._begin_next()

    def _begin_next(self) -> None:
        while self._waiting and len(self._running) < AT_ONCE:
            turn = self._waiting.popleft()
            self._running.add(turn)
            turn.begin()
