"""Repeat one database call in a separate thread with a separate connection."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Final

from django.db import close_old_connections, connection

from portal.core.database import is_away, own_connection

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S: Final = 5.0


class RepeatedCall:
    """Nothing else in the process delays it: no event loop, no queue for threads, and no connection
    pool that is empty.
    """

    def __init__(self, call: Callable[[], None], *, every_s: float, name: str) -> None:
        """`every_s`: between the end of one call and the beginning of the next."""
        self._call = call
        self._every_s = every_s
        self._name = name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Wait until the last call has ended."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S)

    def _main(self) -> None:
        with own_connection():
            while not self._stopping.is_set():
                run_logged(self._call, self._name)
                self._stopping.wait(self._every_s)


def run_logged(call: Callable[[], None], name: str) -> None:
    """A failure ends only this call."""
    try:
        close_old_connections()
        call()
    except Exception as error:
        if is_away(error):
            logger.warning("%s failed, the database is away: %s", name, error)
        else:
            logger.exception("%s crashed", name)
        # The next server may be another one: this one may have become a standby.
        connection.close()
