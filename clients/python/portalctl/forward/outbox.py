"""The payloads that wait for the portal. No I/O; the caller gives the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

MAX_WAITING: Final = 30
"""Five minutes of windows. Older alerts say little about now."""


@dataclass(frozen=True, slots=True)
class Payload:
    body: bytes
    records: int


class Outbox:
    """First in, first out; the oldest makes place for the newest."""

    def __init__(self) -> None:
        self.dropped = 0
        "records that found no portal in time"
        self.tries = 0
        "failures since the last answer"
        self._waiting: deque[Payload] = deque()
        self._not_before_s = 0.0

    def put(self, payload: Payload) -> None:
        if len(self._waiting) == MAX_WAITING:
            self.dropped += self._waiting.popleft().records
        self._waiting.append(payload)

    def due(self, now_s: float) -> Payload | None:
        """The next payload, if it is time to send one."""
        return self._waiting[0] if self._waiting and now_s >= self._not_before_s else None

    def answered(self) -> None:
        """The portal took or refused the next payload: it is not sent again."""
        self._waiting.popleft()
        self.tries, self._not_before_s = 0, 0.0

    def failed(self, now_s: float, pause_s: float) -> None:
        self.tries += 1
        self._not_before_s = now_s + pause_s

    def drop_all(self) -> None:
        self.dropped += sum(payload.records for payload in self._waiting)
        self._waiting.clear()
