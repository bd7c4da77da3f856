"""At most one datagram per round trip on average, whatever is asked at once (RFC 9132 section 4.4)."""

from __future__ import annotations

from typing import Final

from dots_client.session.retransmission import INTERVAL_WITHOUT_RTT_S

BURST: Final = 4
"""Datagrams that may go out at once after a pause."""


class Pacer:
    """The datagrams of one session. What must go out at once is counted; what is repeated waits."""

    def __init__(self, *, now: float) -> None:
        self._backlog = 0.0
        "datagrams sent or promised beyond one per round trip"
        self._counted_at = now

    def sent(self, *, now: float, rtt_s: float | None) -> None:
        """One went out without waiting: repeats make up for it."""
        self._drain(now=now, rtt_s=rtt_s)
        self._backlog += 1

    def reserve(self, *, now: float, rtt_s: float | None) -> float:
        """When the next repeat may go out: now or later. First come, first served."""
        self._drain(now=now, rtt_s=rtt_s)
        self._backlog += 1
        return now + max(0.0, self._backlog - BURST) * _interval_s(rtt_s)

    def _drain(self, *, now: float, rtt_s: float | None) -> None:
        elapsed = (now - self._counted_at) / _interval_s(rtt_s)
        self._backlog = max(0.0, self._backlog - elapsed)
        self._counted_at = now


def _interval_s(rtt_s: float | None) -> float:
    # Loopback has round trips of microseconds; an interval of zero would divide by it.
    return INTERVAL_WITHOUT_RTT_S if rtt_s is None else max(rtt_s, 0.001)
