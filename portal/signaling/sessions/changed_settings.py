"""Settings saved while a session is up: which of them the session does not use yet, and when to try
a new session.

Pure: it has no clock and no database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dots_client import Reconnect
from portal.providers.models import PendingChange, SessionFault
from portal.signaling.connection_settings import ConnectionSettings, changed
from portal.signaling.leasing.leases import SavedAt


class ChangedSettings:
    """The settings of one subscription.

    `reconnect` creates a fresh attempt counter for settings not tried before.
    """

    def __init__(self, reconnect: Callable[[], Reconnect]) -> None:
        self.wanted: ConnectionSettings | None = None
        "the settings at the last read"
        self.pending: PendingChange | None = None
        "the settings that the current session does not use yet"
        self._make_reconnect = reconnect
        self.reconnect = reconnect()
        "attempts with the pending settings"
        self.must_read = False
        "the rows may have other settings than `wanted`; the first attempt reads them anyway"
        self._saved_at: SavedAt | None = None

    def saved(self, at: SavedAt) -> bool:
        """Note when staff last saved the settings; True when that time is new, so the rows must be
        read now. Before the first read nothing is new.
        """
        is_news = self.wanted is not None and at != self._saved_at
        self._saved_at = at
        self.must_read |= is_news
        return is_news

    def found(self, fingerprint: int) -> bool:
        """Note the fingerprint of the present rows; True when they must be read now, because they
        were changed directly in the database, or the last read failed.
        """
        is_news = self.wanted is None or self.wanted.fingerprint != fingerprint
        self.must_read |= is_news
        return is_news

    def starts_reading(self) -> None:
        """Call before reading the rows, so that a save during the read still counts as new."""
        self.must_read = False

    def read(self, wanted: ConnectionSettings) -> bool:
        """Note the settings just read; True when they differ from the last ones."""
        is_new = self.wanted is not None and bool(changed(self.wanted, wanted))
        self.wanted = wanted
        if wanted.saved_at is not None:
            self._saved_at = wanted.saved_at
        if is_new:
            self.pending = None
            self.reconnect = self._make_reconnect()
        return is_new

    def compare(self, running: ConnectionSettings | None) -> None:
        """`running`: the settings that the current session was opened with."""
        parts = changed(running, self.wanted) if running and self.wanted else ()
        if not parts:
            self.pending = None
        elif self.pending is None:
            self.pending = PendingChange(changed=parts, tried_at=None, failure="")

    def is_outdated(self, tried: ConnectionSettings) -> bool:
        """Whether the settings changed since `tried`."""
        return self.wanted is not None and bool(changed(tried, self.wanted))

    def failed(self, reason: str, fault: SessionFault | None, *, at: datetime) -> None:
        """An attempt with the pending settings failed; the current session stays."""
        if self.pending is not None:
            self.pending = replace(self.pending, tried_at=at, failure=reason, fault=fault)
