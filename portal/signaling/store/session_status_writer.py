"""Save the status of one subscription's session beside the work, until the row shows it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from dots_client import SessionClosed
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.session_status import SessionStatus

logger = logging.getLogger(__name__)

RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 30.0


class SessionStatusWriter:
    """Keeps a subscription's row equal to the reported status, even when a single write fails.

    It writes only the newest status. Callers of `report` do not wait for the write.
    """

    def __init__(self, store: FencedStore) -> None:
        self._store = store
        self._reported: SessionStatus | None = None
        self._saved: SessionStatus | None = None
        self._failures = 0
        self._is_refused = False
        self._has_news = asyncio.Event()
        self._is_saved = asyncio.Event()

    def report(self, status: SessionStatus) -> None:
        if status == self._reported:
            return
        self._reported = status
        self._is_saved.clear()
        self._has_news.set()

    async def until_saved(self) -> None:
        """Wait until the row shows the last reported status, or until this worker may no longer
        write it.
        """
        await self._is_saved.wait()

    async def run(self) -> None:
        """Run until cancelled, or until another worker has the lease."""
        while True:
            try:
                await self._save_news()
            except SessionClosed:
                self._is_saved.set()
                return
            except Exception:
                # No error of the database may end this loop, or the row would stay wrong.
                self._failures += 1
                logger.exception("a session's status was not saved (%s times)", self._failures)

    async def _save_news(self) -> None:
        if self._failures > 1:
            await asyncio.sleep(min(RETRY_S * 2.0 ** min(self._failures - 2, 16), MAX_RETRY_S))
        if self._reported == self._saved:
            self._has_news.clear()
            await self._has_news.wait()
        reported = self._reported
        assert reported is not None
        try:
            # The database refused it once: the right state matters more than the text beside it.
            await self._store.record_session(
                reported.without_text() if self._is_refused else reported
            )
        except SessionClosed:
            raise
        except Exception:
            self._is_refused = True
            raise
        self._saved, self._failures, self._is_refused = reported, 0, False
        if self._reported == reported:
            self._is_saved.set()
