"""Log lines: short while Redis or the database is away, limited in number during an attack, and as
JSON for programs.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import Final

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from portal.core.database import is_away
from portal.core.middleware import HEALTH_PATH
from portal.core.security_log import UNBOUNDED_BY_OTHERS

REFUSALS_PER_MINUTE: Final = 60
"""How many security lines of one kind a process writes per minute, for kinds that anyone
can cause.
"""


class OutagesInOneLine(logging.Filter):
    """Drops the traceback of an error that only says that Redis or the database is away, since our
    code is not the cause.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError | OperationalError) or is_away(error):
            record.msg, record.args = f"{record.getMessage()}: {error}", None
            record.exc_info = record.exc_text = None
        return True


class TextLines(logging.Formatter):
    """Lines for people. Times are in UTC and say so; a message stays on one line, whatever a caller
    put into it. A traceback has further lines.
    """

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _time_of(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        if not record.message.isprintable():
            record.message = "".join(map(_printable, record.message))
        return super().formatMessage(record)


def _printable(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonLines(logging.Formatter):
    """One JSON object per line, in ASCII, so that no value can start a new line.

    It takes nothing else from the record: other libraries attach whole requests, whose addresses
    may contain secrets.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "ids", {}),
        }
        if event := getattr(record, "security_event", None):
            entry |= {"event": event, "facts": getattr(record, "facts", {})}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return json.dumps(entry, default=str)


class BoundedRefusals(logging.Filter):
    """Limits the lines of a flood of refused sign-ins.

    The next line that is written says how many were dropped.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        super().__init__()
        self._clock = clock
        self._turn = threading.Lock()
        self._minute = 0
        self._written: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "security_event", None)
        if event not in UNBOUNDED_BY_OTHERS:
            return True
        with self._turn:
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute = minute
                self._written.clear()
            if self._written[event] >= REFUSALS_PER_MINUTE:
                self._left_out[event] += 1
                return False
            self._written[event] += 1
            left_out = self._left_out.pop(event, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} left_out={left_out}", None
        return True


class NoHealthyAnswers(logging.Filter):
    """Drops access log lines for `/healthz` with status 200: a check every 10 s would write 8,640
    lines a day.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # uvicorn: client, method, path with query, HTTP version, status
        if not isinstance(record.args, tuple) or len(record.args) != 5:
            return True
        return (str(record.args[2]).partition("?")[0], record.args[4]) != (HEALTH_PATH, 200)


_SECRET: Final = re.compile(
    r"(/(?:(?:staff-)?invitations|new-password|me/email|notices/stop)/(?=[\w-]{20})|[?&](?:key|code|state)=)[\w.:~%+/=-]+"
)


class NoSecretPaths(logging.Filter):
    """Leaves out the secret word of a mailed link, and secrets in a query: the key of a detector,
    and the code and state of a single sign-on. Readers of the log could use them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_secret, record.args))
        return True


def _without_secret(value: object) -> object:
    """`value` itself if there is nothing to hide."""
    text = str(value)
    hidden = _SECRET.sub(r"\1…", text)
    return value if hidden == text else hidden
