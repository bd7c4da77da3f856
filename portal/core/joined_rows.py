"""Rows of several models from one statement, each with all columns, which the ORM cannot join along
a relation to many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Model


def columns_of(**models: type[Model]) -> str:
    """What follows SELECT: all columns of these models, by alias."""
    quote = connection.ops.quote_name
    return ", ".join(
        f"{alias}.{quote(str(field.column))}"
        for alias, model in models.items()
        for field in model._meta.concrete_fields
    )


def rows_of(values: Sequence[Any], *models: type[Model]) -> Iterator[Model | None]:
    """One row of each model, in the order of `columns_of`; None where the join found none."""
    rest = iter(values)
    for model in models:
        own = list(islice(rest, len(model._meta.concrete_fields)))
        if own[_key_index(model)] is None:
            yield None
            continue
        for index, convert in _converters(model, connection.vendor):
            own[index] = convert(own[index])
        yield model.from_db(connection.alias, _names(model), own)


@cache
def _key_index(model: type[Model]) -> int:
    return model._meta.concrete_fields.index(model._meta.pk)


@cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@cache
def _converters(model: type[Model], vendor: str) -> list[tuple[int, Callable[[Any], Any]]]:
    """By the index of the field. PostgreSQL needs hardly any; SQLite has fewer types."""
    found = []
    for index, field in enumerate(model._meta.concrete_fields):
        column = field.get_col(model._meta.db_table)
        for convert in (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        ):
            found.append((index, _bound(convert, column)))
    return found


def _bound(convert: Callable[..., Any], column: Any) -> Callable[[Any], Any]:
    return lambda value: convert(value, column, connection)
