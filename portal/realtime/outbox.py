"""The frames that wait for one reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from portal.realtime.frames import EncodedEvent, fold

PENDING_EVENTS: Final = 100
"""Events that wait for a slow reader. Beyond that only the newest numbers of each mitigation
wait. If the others alone are more, none waits, and the reader gets them from the table.
"""


class Outbox:
    """At most PENDING_EVENTS frames, in order."""

    def __init__(self) -> None:
        self._frames: deque[EncodedEvent] = deque()
        self.has_overflowed = False
        """The reader continues from the table, which has every event."""

    def put(self, frames: Iterable[EncodedEvent]) -> None:
        if self.has_overflowed:
            return
        self._frames.extend(frames)
        if len(self._frames) > PENDING_EVENTS:
            self._frames = deque(fold(self._frames))
        if len(self._frames) > PENDING_EVENTS:
            self._frames.clear()
            self.has_overflowed = True

    def pop(self) -> EncodedEvent | None:
        return self._frames.popleft() if self._frames else None

    def pop_numbers(self) -> list[EncodedEvent]:
        """The reports of amounts before the next event of another kind."""
        reports = []
        while self._frames and self._frames[0].is_numbers:
            reports.append(self._frames.popleft())
        return reports

    def start_again(self) -> None:
        """Empty it. Call before reading the table, so that no event falls between the two."""
        self._frames.clear()
        self.has_overflowed = False

    @property
    def is_empty(self) -> bool:
        return not self._frames and not self.has_overflowed
