"""Index only the events that have an actor.

The index is needed when a person is deleted: an event keeps its actor, so the database looks for
events of that person. Nothing else reads it, but every report of a provider, which has no actor,
added an entry.

PostgreSQL builds and drops both indexes while others read and write. Processes of the previous
release do not notice: no statement names an index.
"""

from __future__ import annotations

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLE, COLUMN, PARTIAL = "mitigations_event", "actor_id", "event_of_actor"
WHOLE = "mitigations_event_actor_id_of_all"


def to_partial(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    replace(schema_editor, PARTIAL, "WHERE actor_id IS NOT NULL")


def to_whole(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    replace(schema_editor, WHOLE, "")


def replace(schema_editor: BaseDatabaseSchemaEditor, name: str, condition: str) -> None:
    """Make the index `name`, then drop the others of the column. May run again after an abort."""
    without_locks = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    # What an aborted run left is not valid.
    schema_editor.execute(f"DROP INDEX {without_locks} IF EXISTS {name}")
    schema_editor.execute(f"CREATE INDEX {without_locks} {name} ON {TABLE} ({COLUMN}) {condition}")
    for other in indexes(schema_editor) - {name}:
        schema_editor.execute(f'DROP INDEX {without_locks} IF EXISTS "{other}"')


def indexes(schema_editor: BaseDatabaseSchemaEditor) -> set[str]:
    """The names of all indexes of the column alone."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, TABLE)
    return {name for name, one in found.items() if one["index"] and one["columns"] == [COLUMN]}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('events', '0005_what_happens_to_resources'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(to_partial, to_whole)],
            state_operations=[
                migrations.AlterField(
                    model_name='event',
                    name='actor',
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=models.PROTECT,
                        related_name='+',
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AddIndex(
                    model_name='event',
                    index=models.Index(condition=models.Q(actor__isnull=False), fields=['actor'], name=PARTIAL),
                ),
            ],
        ),
    ]
