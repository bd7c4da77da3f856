"""Numbers as text and tables, as docs/measurements.md contains them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

NEVER = float("inf")


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def header() -> None:
    """The command, the commit and the machine, as docs/measurements.md names them."""
    say(f"`{' '.join(['scripts/bench', *sys.argv[1:]])}` – commit {commit()}, {machine()}")
    say()


def commit() -> str:
    """The commit of this working tree, marked if there are changes; `unknown` without git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    result = subprocess.run(
        [git, "describe", "--always", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return result.stdout.strip() or "unknown"


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


def quantiles(what: str, seconds: Sequence[float]) -> tuple[str, ...]:
    """A row under QUANTILES; NEVER counts as longer than any time."""
    return (
        what,
        *(in_ms(percentile(seconds, share)) if seconds else "–" for share in (0.5, 0.95, 0.99)),
        f"{len(seconds):,}",
        f"{sum(one == NEVER for one in seconds):,}",
    )


QUANTILES = ("", "median", "95th", "99th", "of", "never")


def share_within(seconds: Sequence[float], limit_s: float) -> float:
    return sum(one <= limit_s for one in seconds) / len(seconds)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The time within which that share was done; NEVER counts as not done."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def in_ms(seconds: float) -> str:
    if seconds == NEVER:
        return "–"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{1000 * seconds:,.0f} ms"


def mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def in_seconds(seconds: float) -> str:
    if seconds == NEVER:
        return "–"
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"


def in_percent(share: float) -> str:
    """As a whole percentage that is never rounded up to 100."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) else f"{min(percent, 99.9):.1f} %"
