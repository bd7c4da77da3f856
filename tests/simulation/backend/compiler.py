"""Django's compilers, which here remember what they made of columns and of whole models.

A life repeats a few hundred statements, and Django writes the same list of columns each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models.expressions import Col
from django.db.models.sql import compiler


@dataclass(slots=True)
class _Selected:
    """What `get_select` returned for a model with related ones, and how to convert its rows."""

    select: list[Any]
    klass_info: Any
    annotations: dict[str, int]
    converters: dict[int, Any] | None = None


_sql_of: dict[tuple[str, Any], tuple[str, list[Any]]] = {}
_converters_of: dict[Any, list[Any]] = {}
_selected: dict[tuple[Any, str], _Selected] = {}


class SQLCompiler(compiler.SQLCompiler):
    _known: _Selected | None = None

    def compile(self, node: Any) -> Any:
        if type(node) is not Col or not node.alias:
            return super().compile(node)
        column: Any = node.target.column
        key = node.alias, column
        if (known := _sql_of.get(key)) is None:
            quote = self.connection.ops.quote_name
            known = _sql_of[key] = f"{quote(node.alias)}.{quote(column)}", []
        return known

    def get_select(self, with_col_aliases: bool = False) -> Any:
        query = self.query
        is_plain = (
            not with_col_aliases
            and query.default_cols
            and not (query.extra_select or query.annotation_select or query.selected)
            and query.deferred_loading == (frozenset(), True)
            and query.select_related is not True
            and query.get_initial_alias() == query.get_meta().db_table
            and self._joins(query.select_related or {}, query.get_meta())
        )
        if not is_plain:
            return super().get_select(with_col_aliases)
        key = query.model, repr(query.select_related)
        if (known := _selected.get(key)) is None:
            known = _selected[key] = _Selected(*super().get_select())
        self._known = known
        return known.select, known.klass_info, known.annotations

    def _joins(self, related: dict[str, Any], meta: Any) -> bool:
        """Join the related models; False unless each of them has the name of its table."""
        found = 0
        for field in meta.fields if related else ():
            if field.name in related:
                found += 1
                joined = field.remote_field.model._meta
                joins = self.query.setup_joins([field.name], meta, meta.db_table).joins
                if joins[-1] != joined.db_table or not self._joins(related[field.name], joined):
                    return False
        return found == len(related)

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
        known = self._known
        if known is None or len(expressions) != len(known.select):
            return self._converters(expressions)
        if known.converters is None:
            known.converters = self._converters(expressions)
        return known.converters

    def _converters(self, expressions: Any) -> Any:
        converters = {}
        for number, expression in enumerate(expressions):
            if type(expression) is not Col:
                return super().get_converters(expressions)
            key = expression.target, expression.output_field
            if (found := _converters_of.get(key)) is None:
                backend = self.connection.ops.get_db_converters(expression)
                own = expression.get_db_converters(self.connection)
                found = _converters_of[key] = [*backend, *own]
            if found:
                converters[number] = (found, expression)
        return converters


class SQLInsertCompiler(compiler.SQLInsertCompiler, SQLCompiler):
    pass


class SQLDeleteCompiler(compiler.SQLDeleteCompiler, SQLCompiler):
    pass


class SQLUpdateCompiler(compiler.SQLUpdateCompiler, SQLCompiler):
    pass


class SQLAggregateCompiler(compiler.SQLAggregateCompiler, SQLCompiler):
    pass
