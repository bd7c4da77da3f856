"""Values that are built once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import TypeVar

Made = TypeVar("Made")


def run_once(make: Callable[[], Made]) -> Callable[[], Made]:
    """Wrap `make` so that only the first caller runs it.

    The others wait, and all get the same result.
    """
    lock, made = Lock(), cache(make)

    @wraps(make)
    def get() -> Made:
        with lock:
            return made()

    return get
