from __future__ import annotations

from datetime import timedelta

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.utils import timezone

LATELY = timedelta(days=7)


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Record why requests of the last week ended. People still want to know what expired then, but not what ended earlier."""
    requests = apps.get_model("mitigations", "MitigationRequest").objects.filter(
        ended_by="", ended_at__gte=timezone.now() - LATELY
    )
    requests.filter(terminate_asked_by__isnull=False).update(ended_by="person")
    requests.filter(status="expired", terminate_asked_at__isnull=True).update(ended_by="lifetime")


class Migration(migrations.Migration):

    dependencies = [
        ('mitigations', '0012_still_held'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
