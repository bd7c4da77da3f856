"""The attack that a mitigation drops: plausible counters that ramp up, vary and wrap."""

from __future__ import annotations

from collections import deque
from math import pi, sin
from typing import Final

from dots_client.server import UINT64, Rng

AVERAGE_OVER_S: Final = 300.0
"""bps-dropped and pps-dropped should use five-minute buckets (RFC 9132 section 4.4.2)."""

SAMPLE_EVERY_S: Final = 5.0


class Traffic:
    """The traffic of one attack, and how much of it was dropped."""

    def __init__(self, *, now: float, rng: Rng, bytes_before: int = 0) -> None:
        # 1.5 to 10 Gbit/s in packets of medium size.
        self._peak_bytes_per_s = 10 ** rng.uniform(8.3, 9.1)
        self._packet_bytes = rng.uniform(300, 900)
        self._ramp_s = rng.uniform(6, 15)
        self._waves = tuple(
            (rng.uniform(0.04, 0.12), rng.uniform(7, 90), rng.uniform(0, 2 * pi)) for _ in range(3)
        )
        self._dropped_share = rng.uniform(0.97, 0.998)
        self._started_at = now
        self.at = now
        self._bytes = float(bytes_before)
        self._packets = 0.0
        self._samples = deque([(now, self._bytes, 0.0)])

    def bytes_per_s(self, now: float) -> float:
        """The attack traffic at this time."""
        age = now - self._started_at
        ramp = 1.0 if age >= self._ramp_s else 0.25 + 0.75 * age / self._ramp_s
        wave = sum(size * sin(phase + 2 * pi * age / period) for size, period, phase in self._waves)
        return self._peak_bytes_per_s * ramp * (1 + wave)

    def flow(self, *, now: float, share: float) -> None:
        """Let time pass while `share` of the attack (0 to 1) reaches the mitigator."""
        elapsed = now - self.at
        if elapsed <= 0:
            return
        middle = self.bytes_per_s(self.at + elapsed / 2)
        dropped = middle * elapsed * share * self._dropped_share
        self.at = now
        self._bytes += dropped
        self._packets += dropped / self._packet_bytes
        if now - self._samples[-1][0] >= SAMPLE_EVERY_S:
            self._samples.append((now, self._bytes, self._packets))
        while len(self._samples) > 1 and self._samples[1][0] <= now - AVERAGE_OVER_S:
            self._samples.popleft()

    @property
    def bytes_dropped(self) -> int:
        return int(self._bytes) & UINT64

    @property
    def pkts_dropped(self) -> int:
        return int(self._packets) & UINT64

    @property
    def bps_dropped(self) -> int:
        """Bytes per second, despite the name in RFC 9132."""
        return self._average(self._bytes, 1)

    @property
    def pps_dropped(self) -> int:
        return self._average(self._packets, 2)

    def _average(self, total: float, column: int) -> int:
        oldest = self._samples[0]
        elapsed = self.at - oldest[0]
        return int((total - oldest[column]) / elapsed) if elapsed > 0 else 0
