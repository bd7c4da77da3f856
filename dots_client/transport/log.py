"""A log that a peer cannot flood: it summarizes equal lines of a session once a minute."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from dots_client.session.repeat_suppression import RepeatSuppression

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class CountedLog(_Adapter):
    """Lines are equal when they have the same format and level. All DEBUG lines pass."""

    def __init__(self, logger: logging.Logger, *, subject: str = "") -> None:
        super().__init__(logger, {})
        self.subject = subject
        "the name of the session, such as `192.0.2.1:4646`, at the beginning of each summary"
        self._loop = asyncio.get_running_loop()
        self._recurring = RepeatSuppression()
        self._levels: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        if level <= logging.DEBUG or self._recurring.happened(str(msg), now=self._loop.time()):
            self.logger.log(level, msg, *args, **kwargs)
            return
        self._levels[str(msg)] = level
        self._arm()

    def close(self) -> None:
        """Log the counts that are due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell(self._recurring.rest())

    def _arm(self) -> None:
        due_at = self._recurring.next_timer()
        if self._timer is None and due_at is not None:
            self._timer = self._loop.call_at(due_at, self._handle_timer)

    def _handle_timer(self) -> None:
        self._timer = None
        self._tell(self._recurring.due(now=self._loop.time()))
        self._arm()

    def _tell(self, counts: dict[str, int]) -> None:
        for kind, count in counts.items():
            level = self._levels.pop(kind, logging.INFO)
            self.logger.log(level, "%s: %d more lines like %r", self.subject, count, kind)
