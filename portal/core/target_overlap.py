"""Whether a column's targets may share one with given targets, as a condition of PostgreSQL.

May: two URIs are not compared, since only Python knows their normal form. It never overlooks one.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connection
from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import RawSQL

from portal.core.targets import Targets

M = TypeVar("M", bound=Model)


def may_overlap(column: str) -> str:
    """The condition, with the parameters of `overlap_parameters`. `column` has the JSON of a
    `Targets`.
    """
    return f"""(EXISTS (SELECT 1 FROM jsonb_array_elements_text({column} -> 'prefixes') AS held
        WHERE held::inet && ANY(%s::inet[]))
      OR {column} -> 'fqdns' ?| %s::text[]
      OR %s::boolean AND {column} -> 'uris' <> '[]')"""  # noqa: S608 (our own names)


def overlap_parameters(targets: Targets) -> list[Any]:
    return [list(map(str, targets.prefixes)), list(targets.fqdns), bool(targets.uris)]


def with_overlap(rows: QuerySet[M], name: str, targets: Targets) -> QuerySet[M]:
    """Those whose column `name` may share a target with `targets`; on SQLite all."""
    if connection.vendor != "postgresql":
        return rows
    column = f'"{rows.model._meta.db_table}"."{name}"'
    parameters = overlap_parameters(targets)
    condition = RawSQL(may_overlap(column), parameters, output_field=BooleanField())  # noqa: S611
    return rows.filter(condition)
