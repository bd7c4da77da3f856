"""Index the events of sessions by time, from which scorecards compute availability.

They are few of an organization's events. PostgreSQL builds the index while others read and write.
Processes of the previous release do not notice: no statement names an index.
"""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLE, NAME = "mitigations_event", "event_of_session"
CONDITION = "type IN ('session.up', 'session.down')"


def add(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """May run again after an abort."""
    drop(apps, schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {_without_locks(schema_editor)} {NAME} ON {TABLE} (organization_id, at) "
        f"WHERE {CONDITION}"
    )


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # What an aborted run left is not valid.
    schema_editor.execute(f"DROP INDEX {_without_locks(schema_editor)} IF EXISTS {NAME}")


def _without_locks(schema_editor: BaseDatabaseSchemaEditor) -> str:
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('events', '0012_notes'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, drop)],
            state_operations=[
                migrations.AddIndex(
                    model_name='event',
                    index=models.Index(
                        condition=models.Q(type__in=['session.up', 'session.down']),
                        fields=['organization_id', 'at'],
                        name=NAME,
                    ),
                ),
            ],
        ),
    ]
