"""Querysets whose SQL is compiled once for the process, not for each call.

Compiling takes the ORM longer than PostgreSQL needs to run a short query.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import RawSQL


@dataclass(frozen=True, slots=True)
class _Given:
    """The place of a parameter that each call has its own value for."""

    name: str


def any_of(model: type[Model], attribute: str, name: str) -> RawSQL:
    """A condition for `filter`: the column of `attribute`, such as `request_id`, is one of the ids
    that each call gives as `name`. PostgreSQL only.
    """
    fields = model._meta.concrete_fields
    column = next(one.column for one in fields if one.attname == attribute)
    own = f'"{model._meta.db_table}"."{column}"'
    condition = f"{own} = ANY(%s::uuid[])"
    return RawSQL(condition, [_Given(name)], output_field=BooleanField())  # noqa: S611 (our own names)


class CompiledQuery:
    """Its other conditions may depend on nothing but constants."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._sql, self._parameters = queryset.query.sql_with_params()

    def rows(self, **given: Collection[UUID]) -> list[tuple[Any, ...]]:
        """`given`: the ids for each `any_of`."""
        parameters = [
            list(given[one.name]) if isinstance(one, _Given) else one for one in self._parameters
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, parameters)
            return list(cursor.fetchall())
