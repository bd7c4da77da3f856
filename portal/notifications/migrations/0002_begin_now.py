"""The consumer begins with what happens after the upgrade, not with years of history."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def begin_now(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    counters = apps.get_model("events", "EventCounter").objects.all()
    cursors = apps.get_model("events", "EventCursor").objects
    cursors.bulk_create(
        cursors.model(consumer="notices", organization_id=one.pk, seq=one.last_seq)
        for one in counters.iterator()
    )


def forget(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("events", "EventCursor").objects.filter(consumer="notices").delete()


class Migration(migrations.Migration):

    dependencies = [
        ("notifications", "0001_outbox"),
        ("events", "0002_cursors"),
    ]

    operations = [migrations.RunPython(begin_now, forget)]
