"""`UPDATE … SET n = n + by … RETURNING n` in one statement, which the ORM cannot express."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model


def increment_returning(model: type[Model], pk: UUID, column: str, by: int) -> int | None:
    """Add `by` to a row's column, lock the row until the commit, and return the new value; None if
    there is no such row.
    """
    key, quote = model._meta.pk, connection.ops.quote_name
    table, counted = quote(model._meta.db_table), quote(column)
    key_column = key.column or key.attname
    statement = (
        f"UPDATE {table} SET {counted} = {counted} + %s"  # noqa: S608  (our own names)
        f" WHERE {quote(key_column)} = %s RETURNING {counted}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [by, key.get_db_prep_value(pk, connection)])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return None if row is None else int(row[0])
