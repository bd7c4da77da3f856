"""Rate limit per client (RFC 9132 section 11)."""

from __future__ import annotations

from typing import Final

BURST_S: Final = 2.0
"""Size of a burst: the requests of this many seconds."""


class Throttle:
    """A token bucket for each client."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def admits(self, client: str, limit_per_s: float | None, *, now: float) -> bool:
        """Whether one more request is within the limit; if so, it is counted."""
        if limit_per_s is None:
            return True
        burst = max(1.0, BURST_S * limit_per_s)
        level, filled_at = self._buckets.get(client, (burst, now))
        level = min(burst, level + (now - filled_at) * limit_per_s)
        is_admitted = level >= 1
        self._buckets[client] = (level - 1 if is_admitted else level, now)
        return is_admitted
