"""Check the times at which a client sent against RFC 9132 section 4.4."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

INTERVAL_WITHOUT_RTT_S: Final = 3.0
CLOCK_S: Final = 0.002
"""Seconds by which a timer may fire early: the resolution of the event loop's clock."""


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(sorted(times))]


def most_per_rtt(times: Sequence[float], *, rtt_s: float) -> float:
    """SC-018: datagrams per round trip on average, from the first to the last.

    At most 1 is allowed.
    """
    if len(times) < 2:
        return 0.0
    return (len(times) - 1) * rtt_s / (max(times) - min(times) + CLOCK_S)


def keeps_to_one_per_rtt(times: Sequence[float], *, rtt_s: float) -> bool:
    return most_per_rtt(times, rtt_s=rtt_s) <= 1.0


def keeps_to_one_per_three_seconds(times: Sequence[float]) -> bool:
    """SC-019."""
    return all(gap >= INTERVAL_WITHOUT_RTT_S - CLOCK_S for gap in gaps(times))
