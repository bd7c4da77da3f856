"""One table for all idempotency keys.

The table of resource keys stays, without references, because processes of the previous release write to it until they are
restarted. A later release drops it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def carry_over(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    new = apps.get_model("organizations", "IdempotencyKey")
    old = apps.get_model("organizations", "ResourceKey").objects.iterator()
    new.objects.bulk_create(
        (
            new(
                organization_id=one.organization_id,
                sender=f"person:{one.user_id}",
                key=one.key,
                digest=one.digest,
                result_kind="resource",
                result_id=one.resource_id,
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
        ("organizations", "0003_verification_reasons"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sender", models.CharField(max_length=100)),
                ("key", models.CharField(max_length=200)),
                ("digest", models.CharField(max_length=64)),
                ("result_kind", models.CharField(choices=[("request", "Request"), ("resource", "Resource")], max_length=20)),
                ("result_id", models.UUIDField()),
                ("created_at", models.DateTimeField()),
                ("organization", models.ForeignKey(on_delete=models.PROTECT, related_name="+", to="organizations.organization")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "sender", "result_kind", "key"), name="one_result_per_key"),
                ],
            },
        ),
        migrations.AlterField("resourcekey", "organization", reference("organizations.organization", models.PROTECT)),
        migrations.AlterField("resourcekey", "user", reference(settings.AUTH_USER_MODEL, models.CASCADE)),
        migrations.AlterField("resourcekey", "resource", reference("organizations.protectedresource", models.CASCADE)),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("ResourceKey")]),
    ]
