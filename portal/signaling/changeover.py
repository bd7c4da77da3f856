"""Settings that are saved while a session is up: what of them it was not opened with, and when to try a session that is.

Decided without a clock or a database of its own. `now` is in seconds of a clock that nobody sets.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from dots_client import Reconnect
from portal.providers.models import PendingChange
from portal.signaling.identity import Identity, changed
from portal.signaling.leases import SavedAt

READ_AGAIN_S: Final = 30.0
"""The longest time between two looks at the rows: for what was changed in the database, past every form."""


class Changeover:
    """Of one subscription. `reconnect` makes the count of attempts with settings that were not tried before."""

    def __init__(self, reconnect: Callable[[], Reconnect]) -> None:
        self.wanted: Identity | None = None
        "as the rows said last"
        self.pending: PendingChange | None = None
        "what of it the session that is up was not opened with"
        self._make_reconnect = reconnect
        self.reconnect = reconnect()
        "attempts with what is pending"
        self._saved_at: SavedAt | None = None
        self._read_at = float("-inf")

    def saved(self, at: SavedAt) -> bool:
        """Staff saved the settings last `at`: True when that is news, and they are to be read now."""
        is_news = at != self._saved_at
        self._saved_at = at
        if is_news:
            self._read_at = float("-inf")
        return is_news

    def is_to_read(self, *, now: float) -> bool:
        return now - self._read_at >= READ_AGAIN_S

    def next_read_at(self) -> float:
        return self._read_at + READ_AGAIN_S

    def begins_to_read(self, *, now: float) -> None:
        """Before the rows are read: what is saved meanwhile is news."""
        self._read_at = now

    def read(self, wanted: Identity) -> bool:
        """The rows say so; True when they said something else before."""
        is_new = self.wanted is not None and bool(changed(self.wanted, wanted))
        self.wanted = wanted
        if is_new:
            self.pending = None
            self.reconnect = self._make_reconnect()
        return is_new

    def compare(self, running: Identity | None) -> None:
        """`running`: what the session that is up was opened with."""
        parts = changed(running, self.wanted) if running and self.wanted else []
        if not parts:
            self.pending = None
        elif self.pending is None:
            self.pending = PendingChange(changed=parts, tried_at=None, failure="")

    def is_outdated(self, tried: Identity) -> bool:
        """The rows say something else by now."""
        return self.wanted is not None and bool(changed(tried, self.wanted))

    def failed(self, reason: str, *, at: datetime) -> None:
        """An attempt with what is pending; the session that is up stays."""
        if self.pending is not None:
            self.pending = PendingChange(
                changed=self.pending["changed"], tried_at=at.isoformat(), failure=reason
            )
