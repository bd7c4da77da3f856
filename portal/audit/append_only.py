"""Triggers that make the tables append-only, for every role and every program.

A later migration that rebuilds one of the tables on SQLite (AlterField) drops its triggers there:
it has to end with `RunPython(append_only.install)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    # The settings import this module.
    from django.db.backends.base.base import BaseDatabaseWrapper

ENTRIES: Final = "audit_entry"
SEALS: Final = "audit_seal"
CUTS: Final = "audit_cut"
YOUNGEST_CUT_DAYS: Final = 90
"""Nothing younger can be removed, whatever the settings and the cuts say."""

_CUT: Final = {
    ENTRIES: f"""EXISTS (SELECT 1 FROM {SEALS} AS seal JOIN {CUTS} AS cut
      ON cut.organization_id = seal.organization_id AND seal.seq <= cut.through_seq
      WHERE seal.entry_id = OLD.id)""",  # noqa: S608 (our own names)
    SEALS: f"""EXISTS (SELECT 1 FROM {CUTS} AS cut
      WHERE cut.organization_id = OLD.organization_id AND OLD.seq <= cut.through_seq)""",  # noqa: S608 (our own names)
    CUTS: "FALSE",
}
"""When a row may be deleted: a cut, which nothing can remove, says so."""
_SINCE: Final = {ENTRIES: "at", SEALS: "sealed_at", CUTS: "at"}


def install(state: Any, schema_editor: Any) -> None:
    """Create the triggers, or create them again. An operation of a migration."""
    remove(state, schema_editor)
    _run(schema_editor.connection, _statements(schema_editor.connection.vendor))


def remove(state: Any, schema_editor: Any) -> None:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    statements = []
    for table in _CUT:
        for act in ("update", "delete", "truncate"):
            on = f" ON {table}" if is_postgresql else ""
            statements.append(f"DROP TRIGGER IF EXISTS {table}_no_{act}{on}")
        if is_postgresql:
            statements.append(f"DROP FUNCTION IF EXISTS {table}_is_append_only()")
    _run(schema_editor.connection, statements)


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _statements(vendor: str) -> list[str]:
    make = _on_postgresql if vendor == "postgresql" else _on_sqlite
    return [statement for table in _CUT for statement in make(table)]


def _on_postgresql(table: str) -> list[str]:
    statements = [
        f"""CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.{_SINCE[table]} < now() - interval '{YOUNGEST_CUT_DAYS} days' AND {_CUT[table]} THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation';
END $$"""
    ]
    for act, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
        statements += [
            f"CREATE TRIGGER {table}_no_{act} BEFORE {act.upper()} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION {table}_is_append_only()",
            # also while a replica or a restore runs without the usual triggers
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{act}",
        ]
    return statements


def _on_sqlite(table: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    is_old = f"OLD.{_SINCE[table]} < datetime('now', '-{YOUNGEST_CUT_DAYS} days')"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}"
        f" WHEN NOT ({is_old} AND {_CUT[table]}) {refuse}",
    ]
