"""Give each mitigation a version, which the database raises whenever anything but numbers changes.

Processes of the previous release need not know of it: the column has a default in the database, and
a trigger raises it for every writer. The trigger names its columns, so a migration that adds a
column to the table creates the trigger again (tests/portal/mitigations/test_row_version.py), as does
one that makes SQLite build the table again.
"""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLE = "mitigations_mitigation"
COLUMNS = [
    "mid", "position", "organization_id", "request_id", "subscription_id", "scope", "asked_at",
    "cause", "cause_subscription_id", "because", "asked_by_id", "wanted", "lifetime_s",
    "refresh_asked_at", "withdrawal_asked_at", "withdrawn_by_id", "withdrawn_cause",
    "withdrawn_for", "withdrawn_because", "let_go_at", "let_go_tries", "hold_again", "efficacy",
    "efficacy_asked_at", "efficacy_answered_at", "efficacy_accepted", "efficacy_code",
    "efficacy_reason", "efficacy_retry_at", "efficacy_tries", "status", "dots_status", "sent_at",
    "overdue_at", "confirmed_at", "refreshed_at", "mitigating_at", "withdrawal_confirmed_at",
    "ended_at", "retry_at", "setbacks", "refusal_code", "refusal_reason", "conflict", "unsaved_at",
    "replaced_by", "filtering_end", "mitigation_start",
]  # fmt: skip


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {TABLE}_version ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {TABLE}_raise_version()")
    else:
        schema_editor.execute(f"DROP TRIGGER {TABLE}_version")


def statements(vendor: str) -> list[str]:
    if vendor == "postgresql":
        old, new = (
            ", ".join(f'{row}."{one}"' for one in [*COLUMNS, "version"]) for row in ("OLD", "NEW")
        )
        return [
            f"""CREATE FUNCTION {TABLE}_raise_version() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.version := OLD.version + 1; RETURN NEW; END'""",
            f"""CREATE TRIGGER {TABLE}_version BEFORE UPDATE ON {TABLE} FOR EACH ROW
            WHEN (ROW({old}) IS DISTINCT FROM ROW({new}))
            EXECUTE FUNCTION {TABLE}_raise_version()""",
        ]
    differs = " OR ".join(f'OLD."{one}" IS NOT NEW."{one}"' for one in COLUMNS)
    named = ", ".join(f'"{one}"' for one in COLUMNS)
    return [
        f"""CREATE TRIGGER {TABLE}_version AFTER UPDATE OF {named} ON {TABLE} FOR EACH ROW
        WHEN {differs}
        BEGIN UPDATE {TABLE} SET version = OLD.version + 1 WHERE id = NEW.id; END""",
    ]


class Migration(migrations.Migration):

    dependencies = [
        ('mitigations', '0023_one_wanted_mitigation_per_provider'),
    ]

    operations = [
        migrations.AddField(
            model_name='mitigation',
            name='version',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(create, drop),
    ]
