"""What is made once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from threading import Lock
from typing import TypeVar

Made = TypeVar("Made")


def once(make: Callable[[], Made]) -> Callable[[], Made]:
    """`make`, called by the first caller alone: the others wait for it, and all get what it returned."""
    lock, made = Lock(), cache(make)

    @wraps(make)
    def get() -> Made:
        with lock:
            return made()

    return get
