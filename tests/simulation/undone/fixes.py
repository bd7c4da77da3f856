"""Fixes of the past that can be undone: docs/faults.md describes each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Fix:
    """One fix: `now` occurs once in the file at `path`, and `undone` stands for what was there."""

    name: str
    path: str
    now: str
    undone: str

    def undo(self, root: Path) -> None:
        file = root / self.path
        text = file.read_text()
        if text.count(self.now) != 1:
            raise ValueError(f"{self.path} does not contain exactly one {self.now!r}")
        file.write_text(text.replace(self.now, self.undone))


FIXES: Final = (
    Fix(
        "one odd attribute does not invalidate a report",
        "dots_client/codec/reader.py",
        "        if self._is_strict:\n            raise DecodeError(_dotted(path), odd.reason)",
        "        if True:\n            raise DecodeError(_dotted(path), odd.reason)",
    ),
    Fix(
        "an error without a code means that the database is away",
        "portal/core/database.py",
        "    return isinstance(error, InterfaceError | OperationalError)\n",
        "    return False\n",
    ),
    Fix(
        "a silent provider becomes overdue",
        "portal/signaling/signal_agent.py",
        "        await self._threads.run(services.mark_overdue, now=now)\n",
        "",
    ),
    Fix(
        "an extension that the PUT did not include is still due",
        "portal/mitigations/services/outcomes.py",
        "        if extension_asked_at in (None, extended_at)\n",
        "        if True\n",
    ),
    Fix(
        "an extension is sent although the clock of web is behind",
        "portal/mitigations/services/refresh.py",
        "    earlier = mitigation.refreshed_at, mitigation.refresh_asked_at\n",
        "    earlier = (mitigation.refresh_asked_at,)\n",
    ),
    Fix(
        "two extensions never have the same time",
        "portal/mitigations/services/refresh.py",
        "    earlier = mitigation.refreshed_at, mitigation.refresh_asked_at\n",
        "    earlier = (mitigation.refreshed_at,)\n",
    ),
    Fix(
        "4.29 is a pause",
        "portal/signaling/actions/put_request.py",
        "            if error.retry_after_s is None:\n",
        "            if True:\n",
    ),
    Fix(
        "the fence closes by the clock since boot",
        "portal/signaling/leasing/lease_fence.py",
        "        if boottime() >= self._until:\n",
        "        if False:\n",
    ),
)
