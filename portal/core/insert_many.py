"""Insert many rows with little processor time: PostgreSQL's COPY, which the ORM cannot express."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection
from django.db.models import Model


def insert_many(model: type[Model], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows of values by attribute name (`at`, `organization_id`); every row has the same
    names.

    The values are already in the form that the database takes: nothing converts or checks them
    here. Columns that are not named get the database's own default. Raises what the driver raises;
    then no row is inserted.
    """
    rows = list(rows)
    if not rows:
        return
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(model(**row) for row in rows)
        return
    names = list(rows[0])
    quote = connection.ops.quote_name
    columns = ", ".join(quote(_column(model, name)) for name in names)
    statement = f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def _column(model: type[Model], name: str) -> str:
    """The column of an attribute, such as `organization_id` of `organization`."""
    for field in model._meta.concrete_fields:
        if field.attname == name:
            return str(field.column)
    raise ValueError(f"{model.__name__} has no attribute {name}")
