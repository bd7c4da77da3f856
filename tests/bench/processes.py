"""Processor time and memory of every process of an installation, read from /proc."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_stack.processes import Process
from local_stack.stack import Stack
from tests.bench.report import mib, table

CALLERS: Final = "callers"
"""This process, with everything that it started beside the installation, such as Chromium."""
PORTAL: Final = "portal, all processes"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a process and its descendants."""

    pid: int
    cpu_s: float
    "user and system, since they started; those that ended count"
    rss_bytes: int
    "without shared memory: all PostgreSQL backends map the same buffers"


@dataclass(frozen=True, slots=True)
class Sample:
    """`at`: seconds of `time.monotonic`."""

    at: float
    usages: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two samples. `idle`: the share of a core that each process uses when
    nothing happens.
    """

    before: Sample
    after: Sample
    idle: Mapping[str, float]
    portal: frozenset[str]
    "the names of the portal's own processes"

    @property
    def seconds(self) -> float:
        return self.after.at - self.before.at

    def cpu_s(self, name: str) -> float:
        """With the idle share. If another process replaced it since, only that one counts."""
        before, after = self.before.usages.get(name), self.after.usages[name]
        if before is None or before.pid != after.pid:
            return after.cpu_s
        return after.cpu_s - before.cpu_s

    def share(self, name: str) -> float:
        """Of one core, with the idle share."""
        return self.cpu_s(name) / self.seconds

    def share_of_portal(self) -> float:
        return sum(self.share(name) for name in self.portal)

    def busy_share(self, name: str) -> float:
        """Of one core, without the idle share."""
        return self.share(name) - self.idle.get(name, 0.0)

    def busy_share_of_portal(self) -> float:
        return sum(map(self.busy_share, self.portal))

    def cost_ms(self, name: str, count: int) -> float:
        """Of each of `count`, without the idle share."""
        return 1000 * self.busy_share(name) * self.seconds / max(count, 1)

    def cost_of_portal_ms(self, count: int) -> float:
        return sum(self.cost_ms(name, count) for name in self.portal)

    def rows(self, count: int) -> Iterable[tuple[str, ...]]:
        for name, usage in self.after.usages.items():
            yield (
                name,
                f"{self.cpu_s(name):.1f} s",
                f"{100 * self.share(name):.1f} %",
                f"{100 * self.idle.get(name, 0.0):.1f} %",
                f"{self.cost_ms(name, count):.2f} ms",
                mib(usage.rss_bytes),
            )
        yield (
            PORTAL,
            f"{sum(map(self.cpu_s, self.portal)):.1f} s",
            f"{100 * self.share_of_portal():.1f} %",
            f"{100 * sum(self.idle.get(name, 0.0) for name in self.portal):.1f} %",
            f"{self.cost_of_portal_ms(count):.2f} ms",
            mib(sum(self.after.usages[name].rss_bytes for name in self.portal)),
        )

    def say(self, what: str, count: int) -> None:
        """As a table; `what` was done `count` times."""
        head = (f"CPU in {self.seconds:.0f} s", "share of a core", "idle before", f"each {what}")
        table(("process", *head, "memory"), self.rows(count))


class Meter:
    """Samples of one installation. Processes that start later, or again, are counted too."""

    def __init__(self, stack: Stack, postgres: Process) -> None:
        self._stack = stack
        self._postgres = postgres
        self._providers = {one.provider.key for one in stack.simulators}
        self.idle: Mapping[str, float] = {}
        self.peers: list[Process] = []
        "programs that are measured beside the portal"

    async def rest(self, seconds: float) -> Span:
        """Measure the idle shares, which later spans subtract."""
        before = self.sample()
        await asyncio.sleep(seconds)
        span = self.since(before)
        self.idle = {name: span.share(name) for name in span.after.usages}
        return span

    def sample(self) -> Sample:
        roots = {one.program.name: one.pid for one in self._stack.processes if one.is_running}
        roots |= {one.program.name: one.pid for one in self.peers}
        usages = usages_of(roots | {"postgres": self._postgres.pid})
        return Sample(time.monotonic(), usages)

    def since(self, before: Sample) -> Span:
        after = self.sample()
        others = self._providers | {CALLERS} | {one.program.name for one in self.peers}
        portal = frozenset(name for name in after.usages if name not in others)
        return Span(before, after, self.idle, portal)


def usages_of(roots: Mapping[str, int]) -> dict[str, Usage]:
    """By the names of `roots`, and CALLERS."""
    stats = _read()
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    others = set(roots.values())
    found = {name: _sum(_tree(pid, children, others), stats) for name, pid in roots.items()}
    own = os.getpid()
    found[CALLERS] = _sum(_tree(own, children, others), stats, without_ended=own)
    return found


def _tree(root: int, children: Mapping[int, Sequence[int]], without: set[int]) -> list[int]:
    """The process and its descendants, except those of `without` and theirs."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [child for child in children.get(pid, ()) if child not in without]
    return found


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    own_ticks: int
    ended_ticks: int
    "of children that ended"
    rss_pages: int


def _sum(
    pids: Sequence[int], stats: Mapping[int, _Stat], *, without_ended: int | None = None
) -> Usage:
    """`without_ended`: a process whose ended children are not its own cost."""
    ticks = pages = 0
    for pid in pids:
        # A process that ended since the table was read is in the time of its parent next time.
        if (stat := stats.get(pid)) is not None:
            ticks += stat.own_ticks + (0 if pid == without_ended else stat.ended_ticks)
            pages += stat.rss_pages
    return Usage(pids[0], ticks / _TICKS, pages * _PAGE)


def _read() -> dict[int, _Stat]:
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
            pages = folder.joinpath("statm").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended between the list and the look
        found[int(folder.name)] = _Stat(
            parent=int(fields[1]),
            own_ticks=int(fields[11]) + int(fields[12]),
            ended_ticks=int(fields[13]) + int(fields[14]),
            rss_pages=int(pages[1]) - int(pages[2]),
        )
    return found
