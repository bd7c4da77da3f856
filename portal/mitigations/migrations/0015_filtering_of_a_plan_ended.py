from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F

BY_ITSELF = ["lifetime", "newer_request", "provider"]


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Plans whose filtering a provider ended, and that wait for a person, keep waiting."""
    mitigations = apps.get_model("mitigations", "Mitigation").objects
    filtered = mitigations.filter(mitigating_at__isnull=False, request__kind="standby")
    apps.get_model("mitigations", "MitigationRequest").objects.filter(
        pk__in=filtered.values("request"), ended_by__in=BY_ITSELF, acknowledged_at__isnull=True
    ).update(filtering_ended_at=F("ended_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('mitigations', '0014_efficacy_code_holds_our_own'),
    ]

    operations = [
        migrations.AddField(
            model_name='mitigation',
            name='filtering_end',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='mitigationrequest',
            name='filtering_ended_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='mitigationrequest',
            index=models.Index(condition=models.Q(('acknowledged_at__isnull', True), ('filtering_ended_at__isnull', False)), fields=['organization', '-filtering_ended_at'], name='plan_to_acknowledge'),
        ),
    ]
