"""Which database errors mean that the database is away, so that the same call may succeed later.

The database's codes decide, never the text of a message. Any other error is a defect or bad input,
and a retry would fail in the same way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)

from portal.core.errors import Unavailable

RETRY_AFTER_S: Final = 2
"""The value of Retry-After: a failover takes seconds, and a connection pool recovers faster."""

LOCK_TIMEOUT: Final = "55P03"
"""SQLSTATE: a lock was not available within lock_timeout."""

AWAY_CLASSES: Final = frozenset(
    {
        "08",  # connection exception; PgBouncer reports its own timeouts and limits as 08P01
        "28",  # invalid authorization: the server we failed over to does not know us yet
        "40",  # transaction rollback: serialization failure, deadlock
        "53",  # insufficient resources: disk full, out of memory, too many connections
        "57",  # operator intervention: shutdown, crash, starting up, cancelled
        "58",  # system error outside PostgreSQL: I/O
    }
)
"""The first two characters of a SQLSTATE (PostgreSQL, appendix A)."""

AWAY_STATES: Final = frozenset(
    {
        "25006",  # read-only transaction: a standby, or default_transaction_read_only
        "25P03",  # idle-in-transaction timeout: this process was stopped in the middle
        "25P04",  # transaction timeout
        LOCK_TIMEOUT,
    }
)

AWAY_SQLITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Primary result codes."""


def is_away(error: BaseException | None) -> bool:
    """True for an error of Django's database layer after which the same call may succeed later."""
    if not isinstance(error, Error):
        return False
    driver_error = error.__cause__
    sqlstate: str | None = getattr(driver_error, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate[:2] in AWAY_CLASSES or sqlstate in AWAY_STATES
    sqlite_code: int | None = getattr(driver_error, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return sqlite_code & 0xFF in AWAY_SQLITE
    # No code from the server: it could not be reached, the connection broke, or the pool ran out.
    return isinstance(error, InterfaceError | OperationalError)


class RowsLocked(Exception):
    """Another process held a lock for longer than this one wanted to wait. Nothing was written."""


@contextmanager
def waits_for_locks(at_most_ms: int) -> Iterator[None]:
    """Until the end of the present transaction, wait for each lock at most this long. Raises
    RowsLocked, after which the transaction must be rolled back. SQLite has no such locks.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{at_most_ms}ms"])
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == LOCK_TIMEOUT:
            raise RowsLocked from error
        raise


@contextmanager
def own_connection() -> Iterator[None]:
    """In this thread, use a connection that is not one of the pool, and keep it between calls."""
    own = connections[DEFAULT_DB_ALIAS].copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    own.settings_dict["CONN_MAX_AGE"] = None
    connections[DEFAULT_DB_ALIAS] = own
    try:
        yield
    finally:
        own.close()


def away_error() -> Unavailable:
    """The error that people and programs get while the database is away."""
    return Unavailable(
        "The portal's database does not answer or is read-only. Live requests continue. Try again "
        "in a moment.",
        retry_after_s=RETRY_AFTER_S,
    )
