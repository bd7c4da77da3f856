"""`INSERT INTO … SELECT …` of an unsaved row, for a statement of several steps (`WITH`), which the
ORM cannot express.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import DateTimeField, Field, Model
from django.db.models.expressions import DatabaseDefault

_NO_LITERAL: Final = object()


@dataclass(frozen=True, slots=True)
class _Column:
    attribute: str
    name: str
    field: Field[Any, Any]
    default: Any
    "_NO_LITERAL if it has none that can be part of the statement"
    literal: str
    sets_itself: bool
    "its value depends on the time of the insert"


def insert_select(row: Model, source: str, **computed: str) -> tuple[str, list[Any]]:
    """The SQL, and its parameters. It inserts `row` once for each row of `source`.

    `source`: what follows FROM. `computed`: columns by attribute name (`seq`), each with an
    expression of `source`. A column that is null gets the database's default, which is null too. A
    default of the field is part of the SQL, so that few parameters remain.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    columns, values, parameters = [], [], []
    state = vars(row)
    for column in _columns(type(row)):
        attribute = column.attribute
        if attribute in computed:
            columns.append(column.name)
            values.append(computed[attribute])
            continue
        value = column.field.pre_save(row, add=True) if column.sets_itself else state[attribute]
        if value is None or isinstance(value, DatabaseDefault):
            continue
        columns.append(column.name)
        if value == column.default:
            values.append(column.literal)
        else:
            values.append("%s")
            parameters.append(column.field.get_db_prep_save(value, connection))
    statement = (
        f"INSERT INTO {row._meta.db_table} ({', '.join(columns)})"  # noqa: S608 (our own names)
        f" SELECT {', '.join(values)} FROM {source}"
    )
    return statement, parameters


@cache
def _columns(model: type[Model]) -> list[_Column]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    found = []
    for field in model._meta.concrete_fields:
        default, literal = _default(field)
        sets_itself = type(field).pre_save not in (Field.pre_save, DateTimeField.pre_save)
        sets_itself |= getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
        name = quote(str(field.column))
        found.append(_Column(field.attname, name, field, default, literal, sets_itself))
    return found


def _default(field: Field[Any, Any]) -> tuple[Any, str]:
    """A default that never varies, and the same in SQL."""
    if field.default is tuple:
        return (), "'[]'"
    if field.has_default() and callable(field.default):
        return _NO_LITERAL, ""
    default = field.get_default()
    if isinstance(default, bool):
        return default, str(default).lower()
    if isinstance(default, int):
        return default, str(default)
    if isinstance(default, str):
        text = str(default).replace("'", "''").replace("%", "%%")
        return default, f"'{text}'"
    return _NO_LITERAL, ""
