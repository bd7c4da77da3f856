"""Backups of the portal's PostgreSQL, made and restored as docs/operations.md says."""

from __future__ import annotations

from pathlib import Path

from tests.integration import dumps
from tests.integration.stack import Stack

SPEAKERS = ("web", "signal-1", "signal-2", "worker", "notices", "beat")
"""The processes that use the database."""


def dump(stack: Stack, path: Path) -> None:
    """While everything runs."""
    dumps.dump(stack.database_url, path)


def restore(stack: Stack, path: Path) -> None:
    """Call it with the portal stopped; everything saved since the backup is lost.

    The caller restarts the portal.
    """
    for name in _speakers(stack):
        stack[name].stop()
    dumps.run("pg_restore", "--clean", "--if-exists", "--dbname", stack.database_url, str(path))


def start(stack: Stack) -> None:
    stopped = [stack[name] for name in _speakers(stack) if not stack[name].is_running]
    for process in stopped:
        process.start()
    for process in stopped:
        process.wait_until_ready()


def _speakers(stack: Stack) -> list[str]:
    there = {process.program.name for process in stack.processes}
    return [name for name in SPEAKERS if name in there]
