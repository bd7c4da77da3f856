"""Django's compilers, which here remember what they made of each column."""

from __future__ import annotations

from typing import Any

from django.db.models.expressions import Col
from django.db.models.sql import compiler

_sql_of: dict[tuple[str, Any], tuple[str, list[Any]]] = {}
_converters_of: dict[Any, list[Any]] = {}


class SQLCompiler(compiler.SQLCompiler):
    def compile(self, node: Any) -> Any:
        if type(node) is not Col or not node.alias:
            return super().compile(node)
        column: Any = node.target.column
        key = node.alias, column
        if (known := _sql_of.get(key)) is None:
            quote = self.connection.ops.quote_name
            known = _sql_of[key] = f"{quote(node.alias)}.{quote(column)}", []
        return known

    def _order_by_pairs(self) -> Any:
        """Without looking for each column among the selected ones, whose numbers could stand for
        them.
        """
        pairs: Any = super()._order_by_pairs
        if self.query.combinator or self.query.annotations or not self.query.default_cols:
            return pairs()
        select, self.select = self.select, None
        try:
            return list(pairs())
        finally:
            self.select = select

    def get_converters(self, expressions: Any) -> Any:
        converters = {}
        for number, expression in enumerate(expressions):
            if type(expression) is not Col:
                return super().get_converters(expressions)
            key = expression.target, expression.output_field
            if (known := _converters_of.get(key)) is None:
                backend = self.connection.ops.get_db_converters(expression)
                own = expression.get_db_converters(self.connection)
                known = _converters_of[key] = [*backend, *own]
            if known:
                converters[number] = (known, expression)
        return converters


class SQLInsertCompiler(compiler.SQLInsertCompiler, SQLCompiler):
    pass


class SQLDeleteCompiler(compiler.SQLDeleteCompiler, SQLCompiler):
    pass


class SQLUpdateCompiler(compiler.SQLUpdateCompiler, SQLCompiler):
    pass


class SQLAggregateCompiler(compiler.SQLAggregateCompiler, SQLCompiler):
    pass
