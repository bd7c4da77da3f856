"""Timers for many keys, without a scan over all of them."""

from __future__ import annotations

import heapq
from typing import Final, Generic, TypeVar

K = TypeVar("K", str, int)

IMMEDIATELY: Final = float("-inf")
MAX_OUTDATED: Final = 64
"""Entries of the heap beyond twice the number of keys, before it is rebuilt."""


class Agenda(Generic[K]):
    """One time per key."""

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._heap: list[tuple[float, K]] = []

    def __len__(self) -> int:
        """Entries, outdated ones too."""
        return len(self._heap)

    def set(self, key: K, at: float | None) -> None:
        """`key` is due at `at` and at no other time; None: never."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._at) + MAX_OUTDATED:
                self._heap = [(due_at, due) for due, due_at in self._at.items()]
                heapq.heapify(self._heap)

    def hurry(self, key: K) -> None:
        """`key` is due at once."""
        self.set(key, IMMEDIATELY)

    def bring_forward(self, key: K, at: float) -> None:
        """`key` is due at `at`, or earlier if it was."""
        self.set(key, min(at, self._at.get(key, at)))

    def next(self) -> float | None:
        """When the first key is due; -inf: at once."""
        self._drop_outdated()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> list[K]:
        """Remove and return the keys that are due by now, the longest due first."""
        due: list[K] = []
        while (at := self.next()) is not None and at <= now:
            _, key = heapq.heappop(self._heap)
            del self._at[key]
            due.append(key)
        return due

    def _drop_outdated(self) -> None:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
