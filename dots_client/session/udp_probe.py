"""When a session over TCP probes for UDP (RFC 9132 section 4.3)."""

from __future__ import annotations

from typing import Final

MIN_UDP_PROBE_S: Final = 300.0
"""Seconds between probes: MUST NOT be less (RFC 9132 section 4.3)."""
UDP_PROBE_S: Final = 86400.0
"""Seconds between probes: SHOULD NOT be less."""


class UdpProbe:
    """The probes of one session over TCP."""

    def __init__(self, *, now: float, interval_s: float = UDP_PROBE_S) -> None:
        self._interval_s = max(interval_s, MIN_UDP_PROBE_S)
        self._due_at = now + self._interval_s

    def next_timer(self) -> float:
        return self._due_at

    def probed(self, *, now: float) -> None:
        self._due_at = now + self._interval_s
