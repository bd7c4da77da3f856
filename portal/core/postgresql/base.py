"""What every connection to PostgreSQL does on top of Django's."""

from __future__ import annotations

from typing import Final

from django.db.backends.postgresql import base
from psycopg import ConnectionInfo

IDLE_IN_TRANSACTION: Final = "5s"
"""A process that stops in the middle of a transaction keeps others from the rows it locked for no longer."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Relies on nothing that lasts longer than a transaction, so that a pooler may give each to another server process."""

    def set_autocommit(
        self,
        autocommit: bool,  # noqa: FBT001  Django's signature
        force_begin_transaction_with_broken_autocommit: bool = False,  # noqa: FBT001, FBT002  the same
    ) -> None:
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if autocommit:
            return
        try:
            with self.wrap_database_errors:
                # As a parameter of the connection, a pooler would refuse it or hand it on to strangers.
                self.connection.execute(
                    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"
                )
        except BaseException:
            # Django did not note that a transaction has begun, so it would never commit it.
            self.close()
            raise

    def close(self) -> None:
        if self.pool and self.connection is not None and _is_standby(self.connection.info):
            # The pool replaces it: the name is looked up again, and the hosts are tried in order.
            self.connection.close()
        super().close()


def _is_standby(info: ConnectionInfo) -> bool:
    """As the server reports by itself (PostgreSQL 14 or newer): asking costs nothing."""
    return info.parameter_status("in_hot_standby") == "on"
