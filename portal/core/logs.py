"""Log lines while Redis or the database is away."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from portal.core.database import is_away


class OutagesInOneLine(logging.Filter):
    """Drops the traceback of an error that only says that Redis or the database is away: our code is not the cause."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError | OperationalError) or is_away(error):
            record.msg, record.args = f"{record.getMessage()}: {error}", None
            record.exc_info = record.exc_text = None
        return True
