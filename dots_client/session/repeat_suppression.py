"""Report the first of many equal events at once, and then their number once a minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVERY_S: Final = 60.0
MAX_KINDS: Final = 32
"""Kinds counted separately; all further kinds share one count."""
OTHER: Final = "other"


@dataclass(slots=True)
class _Minute:
    ends_at: float
    untold: int = 0


class RepeatSuppression:
    """Counts the events of one session. `now` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}

    def happened(self, kind: str, *, now: float) -> bool:
        """Whether to report this event now. If not, it is counted until the end of the minute."""
        if kind not in self._minutes:
            if len(self._minutes) >= MAX_KINDS:
                kind = OTHER
            if kind not in self._minutes:
                self._minutes[kind] = _Minute(now + EVERY_S)
                return True
        self._minutes[kind].untold += 1
        return False

    def next_timer(self) -> float | None:
        """When to call `due`; None while nothing is counted."""
        return min(
            (minute.ends_at for minute in self._minutes.values() if minute.untold), default=None
        )

    def due(self, *, now: float) -> dict[str, int]:
        """The unreported counts of past minutes, by kind. Drops kinds without new events."""
        over = {kind: minute for kind, minute in self._minutes.items() if minute.ends_at <= now}
        for kind, minute in over.items():
            if minute.untold:
                self._minutes[kind] = _Minute(now + EVERY_S)
            else:
                del self._minutes[kind]
        return {kind: minute.untold for kind, minute in over.items() if minute.untold}

    def rest(self) -> dict[str, int]:
        """All unreported counts, at the end."""
        untold = {kind: minute.untold for kind, minute in self._minutes.items() if minute.untold}
        self._minutes.clear()
        return untold
