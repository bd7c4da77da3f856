"""Leaving a server alone that does not answer."""

from __future__ import annotations

from time import monotonic


class Rest:
    """After a call that hung, the next ones are left out for a while: not everybody has to wait as well."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return monotonic() < self._until

    def begin(self) -> None:
        self._until = monotonic() + self._pause_s

    def end(self) -> None:
        self._until = 0.0
