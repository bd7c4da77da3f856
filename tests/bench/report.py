"""Numbers as text and tables, as docs/measurements.md contains them."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

NEVER = float("inf")


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {sys.version.split()[0]}"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    say("| " + " | ".join(head) + " |")
    say("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        say("| " + " | ".join(row) + " |")


def times_of(what: str, seconds: Sequence[float] | Iterator[float]) -> None:
    times = sorted(seconds)
    cuts: Callable[[int], float] = statistics.quantiles(
        times, n=100, method="inclusive"
    ).__getitem__
    say(
        f"{what:<40} median {1000 * statistics.median(times):7.1f} ms   "
        f"95th percentile {1000 * cuts(94):7.1f} ms   of {len(times)}"
    )


def share_within(seconds: Sequence[float], limit_s: float) -> float:
    return sum(one <= limit_s for one in seconds) / len(seconds)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The time within which that share was done; NEVER counts as not done."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def in_seconds(seconds: float) -> str:
    if seconds == NEVER:
        return "–"
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"


def in_percent(share: float) -> str:
    """As a whole percentage that is never rounded up to 100."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) else f"{min(percent, 99.9):.1f} %"
