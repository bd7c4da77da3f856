"""When to repeat a Non-confirmable request that has no answer (RFC 9132 section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dots_client.rng import Rng

INTERVAL_WITHOUT_RTT_S: Final = 3.0
"""Without an estimate, at most one datagram every 3 seconds (RFC 9132 section 4.4, RFC 8085 section
3.1.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetransmissionSettings:
    """How eagerly to repeat, within the limits of the RFC."""

    floor_s: float = 0.25
    "seconds between two transmissions, however short the round trip is"
    eager_for_s: float = 60.0
    "seconds; afterwards one datagram every 3 seconds is enough"
    jitter: float = 0.25
    "random share of the interval on top, so that clients do not synchronize"


class Retransmission:
    """The transmissions of one request. The first is due at once, whatever the probing rate is."""

    def __init__(
        self,
        *,
        now: float,
        rng: Rng,
        deadline_s: float | None = None,
        settings: RetransmissionSettings | None = None,
    ) -> None:
        self._settings = settings or RetransmissionSettings()
        self._rng = rng
        self._started_at = now
        self._ends_at = None if deadline_s is None else now + deadline_s
        self._due_at = now
        self.transmissions = 0

    def next_timer(self) -> float | None:
        """When the next transmission is due; None when the deadline comes first."""
        if self._ends_at is not None and self._due_at >= self._ends_at:
            return None
        return self._due_at

    @property
    def ends_at(self) -> float | None:
        """When to stop waiting; None for a request that the server must answer."""
        return self._ends_at

    def sent(self, *, now: float, rtt_s: float | None) -> None:
        """A transmission was sent: set the time of the next one."""
        self.transmissions += 1
        self._due_at = now + self._interval_s(now=now, rtt_s=rtt_s)

    def _interval_s(self, *, now: float, rtt_s: float | None) -> float:
        if rtt_s is None:
            interval = INTERVAL_WITHOUT_RTT_S
        elif now - self._started_at < self._settings.eager_for_s:
            interval = max(self._settings.floor_s, rtt_s)
        else:
            interval = max(INTERVAL_WITHOUT_RTT_S, rtt_s)
        # Jitter only lengthens the interval: a shorter one would break the rule of one datagram per
        # round trip.
        return interval * (1 + self._settings.jitter * self._rng.random())
