"""Counts lines of the same key for ten seconds. No I/O; the caller gives the time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from portalctl.forward.sources import Seen

WINDOW_S: Final = 10.0
MAX_KEYS: Final = 100
"""The portal saves 200 records of an endpoint in 20 s."""


class Window:
    """The keys of one window, the one that was seen last at the end.

    The order matters to BIND: a limit that stopped and began again has begun.
    """

    def __init__(self, now_s: float) -> None:
        self.left_out = 0
        "lines whose key had no place, since the start"
        self._ends_s = now_s + WINDOW_S
        self._counts: dict[tuple[str, ...], int] = {}
        self._records: dict[tuple[str, ...], Mapping[str, Any]] = {}

    def add(self, seen: Seen) -> None:
        if seen.key not in self._counts and len(self._counts) == MAX_KEYS:
            self.left_out += 1
            return
        count = self._counts.pop(seen.key, 0)
        self._counts[seen.key] = count + 1
        self._records[seen.key] = seen.record

    def is_over(self, now_s: float) -> bool:
        return now_s >= self._ends_s

    def take(self, now_s: float) -> list[dict[str, Any]]:
        """The records with their `count`, and a new window."""
        found = [{**self._records[key], "count": count} for key, count in self._counts.items()]
        self._counts, self._records, self._ends_s = {}, {}, now_s + WINDOW_S
        return found


def body(records: list[dict[str, Any]]) -> bytes:
    """The payload: a JSON array. A half of a surrogate pair, which JSON allows, becomes “?”."""
    return json.dumps(records, ensure_ascii=False).encode(errors="replace")
