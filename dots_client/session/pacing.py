"""At most one datagram per round trip on average, over all requests of a session.

RFC 9132 section 4.4.
"""

from __future__ import annotations

from typing import Final

from dots_client.session.retransmission import INTERVAL_WITHOUT_RTT_S

BURST: Final = 4
"""Datagrams that may be sent at once after a pause."""


class Pacer:
    """Counts the datagrams of one session.

    First transmissions are sent at once; repeats wait for a slot.
    """

    def __init__(self, *, now: float) -> None:
        self._backlog = 0.0
        "datagrams sent or reserved beyond one per round trip"
        self._counted_at = now

    def sent(self, *, now: float, rtt_s: float | None) -> None:
        """A datagram was sent without a slot. Later repeats wait longer."""
        self._drain(now=now, rtt_s=rtt_s)
        self._backlog += 1

    def reserve(self, *, now: float, rtt_s: float | None) -> float:
        """Reserve a slot for a repeat.

        Returns when to send it, now or later, in the order of the calls.
        """
        self._drain(now=now, rtt_s=rtt_s)
        self._backlog += 1
        return now + max(0.0, self._backlog - BURST) * _interval_s(rtt_s)

    def _drain(self, *, now: float, rtt_s: float | None) -> None:
        elapsed = (now - self._counted_at) / _interval_s(rtt_s)
        self._backlog = max(0.0, self._backlog - elapsed)
        self._counted_at = now


def _interval_s(rtt_s: float | None) -> float:
    # Round trips on loopback take microseconds. An interval of zero would be a division by zero.
    return INTERVAL_WITHOUT_RTT_S if rtt_s is None else max(rtt_s, 0.001)
