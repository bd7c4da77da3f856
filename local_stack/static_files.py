"""Collects static files once for every installation on this machine, and again when they change."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local_stack.programs import ROOT

SOURCES = (ROOT / "static", ROOT / "requirements.txt", ROOT / "portal" / "settings.py")
COLLECTED = ROOT / "staticfiles"


def collect_if_changed(manage: Callable[..., str]) -> None:
    with _one_at_a_time():
        stamp = COLLECTED / ".sources"
        current = _fingerprint()
        if stamp.exists() and stamp.read_text() == current:
            return
        manage("collectstatic", "--no-input", "--clear")
        stamp.write_text(current)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of all processes on this machine: `--clear` deletes what another one is copying."""
    folder = os.open(SOURCES[0], os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in SOURCES:
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file():
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
