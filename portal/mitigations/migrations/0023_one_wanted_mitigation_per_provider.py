"""Rename the constraint `one_wanted_leg_per_provider` after its model.

PostgreSQL renames the index in place: nothing is rebuilt, and neither reads nor writes wait. SQLite
cannot rename one and builds it again.
"""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

OLD, NEW = "one_wanted_leg_per_provider", "one_wanted_mitigation_per_provider"


def constraint(name: str) -> models.UniqueConstraint:
    return models.UniqueConstraint(fields=["request", "subscription"], condition=models.Q(wanted="active"), name=name)


def rename(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor, before: str, after: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f'ALTER INDEX "{before}" RENAME TO "{after}"')
        return
    mitigation = apps.get_model("mitigations", "Mitigation")
    schema_editor.remove_constraint(mitigation, constraint(before))
    schema_editor.add_constraint(mitigation, constraint(after))


def to_new(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, schema_editor, OLD, NEW)


def to_old(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rename(apps, schema_editor, NEW, OLD)


class Migration(migrations.Migration):

    dependencies = [
        ('mitigations', '0022_request_origin'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(to_new, to_old)],
            state_operations=[
                migrations.RemoveConstraint(model_name='mitigation', name=OLD),
                migrations.AddConstraint(model_name='mitigation', constraint=constraint(NEW)),
            ],
        ),
    ]
