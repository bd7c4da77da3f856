"""Additions to every PostgreSQL connection of Django."""

from __future__ import annotations

from typing import Final, Self

from django.db.backends.postgresql import base, schema
from psycopg import ConnectionInfo

IDLE_IN_TRANSACTION: Final = "5s"
"""How long a process that hangs in a transaction can keep its row locks."""


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """A migration thinks as long as it needs to between two statements: on a slow machine longer
    than IDLE_IN_TRANSACTION.
    """

    def __enter__(self) -> Self:
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute("SET LOCAL idle_in_transaction_session_timeout = 0", params=None)
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """Keeps no state beyond a transaction, so that a pooler may run each one on another server
    process.
    """

    SchemaEditorClass = DatabaseSchemaEditor

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
                # A pooler would refuse this as a connection parameter, or apply it to other
                # clients.
                self.connection.execute(
                    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"
                )
        except BaseException:
            # Django did not record the start of this transaction, so it would never commit it.
            self.close()
            raise

    def close(self) -> None:
        if self.pool and self.connection is not None and _is_standby(self.connection.info):
            # The pool replaces the connection: it resolves the name again and tries the hosts in
            # order.
            self.connection.close()
        super().close()


def _is_standby(info: ConnectionInfo) -> bool:
    """Uses what the server reports without a query (PostgreSQL 14 or newer)."""
    return info.parameter_status("in_hot_standby") == "on"
