"""Skips calls to a server that does not respond."""

from __future__ import annotations

from time import monotonic


class Cooldown:
    """After a call that hung, skips further calls for a while, so that not every caller has to
    wait.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._until = 0.0

    @property
    def is_active(self) -> bool:
        return monotonic() < self._until

    def start(self) -> None:
        self._until = monotonic() + self._pause_s

    def stop(self) -> None:
        self._until = 0.0
