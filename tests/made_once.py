"""Folders that take long to make, shared by all workers of a test run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local_stack.stack import Stack
from tests.sqlite_tables import copy_tables


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name. The first worker that needs it makes it, and the others wait; all
    only copy from it.
    """
    of_worker = factory.getbasetemp()
    of_run = of_worker.parent if "PYTEST_XDIST_WORKER" in os.environ else of_worker
    folder, unfinished = of_run / name, of_run / f"{name}.unfinished"
    with (of_run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(unfinished)
            unfinished.rename(folder)
    return folder


def installation(factory: pytest.TempPathFactory) -> Path:
    """An installation on SQLite that never ran: its secrets, certificates and tables with the
    cast.
    """
    return made_once(factory, "installation", _install)


def _install(folder: Path) -> None:
    stack = Stack(folder)
    copy_tables(Path(stack.database_url.removeprefix("sqlite:///")))
    stack.prepare()
