"""`INSERT INTO … SELECT …` of an unsaved row, for a statement of several steps (`WITH`), which the
ORM cannot express.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault


def insert_select(row: Model, source: str, **computed: str) -> tuple[str, list[Any]]:
    """The SQL, and its parameters. It inserts `row` once for each row of `source`.

    `source`: what follows FROM. `computed`: columns by attribute name (`seq`), each with an
    expression of `source`. Columns that are null get the database's default, which is null too.
    """
    quote = connection.ops.quote_name
    columns, values, parameters = [], [], []
    for field in row._meta.concrete_fields:
        if field.attname in computed:
            columns.append(quote(str(field.column)))
            values.append(computed[field.attname])
            continue
        value = field.get_db_prep_save(field.pre_save(row, add=True), connection)
        if value is None or isinstance(value, DatabaseDefault):
            continue
        columns.append(quote(str(field.column)))
        values.append("%s")
        parameters.append(value)
    statement = (
        f"INSERT INTO {quote(row._meta.db_table)} ({', '.join(columns)})"  # noqa: S608 (our own names)
        f" SELECT {', '.join(values)} FROM {source}"
    )
    return statement, parameters
