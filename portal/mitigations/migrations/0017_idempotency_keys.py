"""The idempotency keys of requests move to the table of all keys.

Their own table stays, without references, because processes of the previous release write to it until they are restarted.
A later release drops it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def carry_over(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    new = apps.get_model("organizations", "IdempotencyKey")
    old = apps.get_model("mitigations", "IdempotencyKey").objects.iterator()
    new.objects.bulk_create(
        (
            new(
                organization_id=one.organization_id,
                sender=f"person:{one.user_id}",
                key=one.key,
                digest=one.digest,
                result_kind="request",
                result_id=one.request_id,
                created_at=one.created_at,
            )
            for one in old
        ),
        batch_size=500,
    )


def reference(to: str, on_delete: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(db_constraint=False, on_delete=on_delete, related_name="+", to=to)


class Migration(migrations.Migration):

    dependencies = [
        ("mitigations", "0016_lifetime_that_remains"),
        ("organizations", "0004_idempotency_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField("idempotencykey", "organization", reference("organizations.organization", models.PROTECT)),
        migrations.AlterField("idempotencykey", "user", reference(settings.AUTH_USER_MODEL, models.CASCADE)),
        migrations.AlterField("idempotencykey", "request", reference("mitigations.mitigationrequest", models.CASCADE)),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("IdempotencyKey")]),
    ]
