"""Django's backend for SQLite, faster for the few hundred statements that lives repeat."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from django.db.backends.sqlite3.base import DatabaseWrapper as DjangoWrapper
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from django.db.backends.sqlite3.operations import DatabaseOperations as DjangoOperations

MAX_STATEMENTS: Final = 4096
"""Texts of statements that are kept with question marks instead of `%s`."""


@lru_cache(maxsize=MAX_STATEMENTS)
def _with_question_marks(query: str) -> str:
    return query.replace("%s", "?").replace("%%", "%")


class Cursor(SQLiteCursorWrapper):
    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        if param_names is None and "%%s" not in query:
            return _with_question_marks(query)
        converted: str = super().convert_query(query, param_names=param_names)
        return converted


class DatabaseOperations(DjangoOperations):
    compiler_module = "tests.simulation.backend.compiler"

    def convert_datetimefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if type(value) is str:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return super().convert_datetimefield_value(value, expression, connection)


class DatabaseWrapper(DjangoWrapper):
    ops_class = DatabaseOperations

    def create_cursor(self, name: Any = None) -> Any:
        return self.connection.cursor(factory=Cursor)
