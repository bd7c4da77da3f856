"""Lock, read, save and update many rows with one statement each, which the ORM cannot express.

On SQLite the ORM does the same with more statements.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Field, JSONField, Model

M = TypeVar("M", bound=Model)


def lock_free_rows(
    model: type[Model], names: tuple[str, ...], pks: Collection[UUID]
) -> list[tuple[Any, ...]]:
    """The values of `names` in those of the rows that no other transaction has locked, which are
    then locked until the commit. `names` are attributes, such as `organization_id`.

    Rows that are locked or do not exist are missing: this never waits.
    """
    if connection.vendor != "postgresql":
        rows = model._default_manager.filter(pk__in=pks)
        return list(rows.order_by("pk").values_list(*names))
    with connection.cursor() as cursor:
        cursor.execute(_lock_statement(model, names), [list(pks)])
        return list(cursor.fetchall())


def update_many(model: type[Model], names: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Give each row its own values of `names`. Each of `rows` begins with the primary key.

    The values are already in the form that the database takes, except those of JSON columns:
    nothing else converts or checks them here.
    """
    if not rows:
        return
    if connection.vendor != "postgresql":
        for pk, *values in rows:
            changes = dict(zip(names, values, strict=True))
            model._default_manager.filter(pk=pk).update(**changes)
        return
    fields = [_field(model, name) for name in ("pk", *names)]
    columns = [
        [json.dumps(field.get_prep_value(one)) for one in values]
        if isinstance(field, JSONField)
        else list(values)
        for field, values in zip(fields, zip(*rows, strict=True), strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_update_statement(model, names), columns)


def save_rows(model: type[M], rows: Sequence[M]) -> None:
    """Save new rows and changed ones, with all their columns."""
    if rows:
        model._default_manager.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["pk"],
            update_fields=[one.name for one in model._meta.concrete_fields if not one.primary_key],
        )


@cache
def _lock_statement(model: type[Model], names: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(_column(_field(model, name))) for name in names)
    key = quote(_column(_key(model)))
    return (
        f"SELECT {columns} FROM {quote(model._meta.db_table)}"  # noqa: S608  (our own names)
        f" WHERE {key} = ANY(%s::uuid[]) ORDER BY {key} FOR NO KEY UPDATE SKIP LOCKED"
    )


@cache
def _update_statement(model: type[Model], names: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    fields = [_key(model), *(_field(model, name) for name in names)]
    key, *columns = [quote(_column(field)) for field in fields]
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    changes = ", ".join(f"{column} = new.{column}" for column in columns)
    return (
        f"UPDATE {quote(model._meta.db_table)} AS old SET {changes}"  # noqa: S608  (our own names)
        f" FROM unnest({arrays}) AS new ({key}, {', '.join(columns)}) WHERE old.{key} = new.{key}"
    )


def _key(model: type[Model]) -> Field[Any, Any]:
    return model._meta.pk


def _field(model: type[Model], name: str) -> Field[Any, Any]:
    """The field of an attribute, such as `organization` of `organization_id`, or of `pk`."""
    if name == "pk":
        return _key(model)
    for field in model._meta.concrete_fields:
        if name in (field.attname, field.name):
            return field
    raise ValueError(f"{model.__name__} has no attribute {name}")


def _column(field: Field[Any, Any]) -> str:
    return field.column or field.attname
