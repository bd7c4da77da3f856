"""The progress of removing old counter reports becomes the first cursor.

Its column in the counter stays, because processes of the previous release write to it until they
are restarted. A later release drops it.
"""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def carry_over(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    cursor = apps.get_model("events", "EventCursor")
    thinned = apps.get_model("events", "EventCounter").objects.filter(thinned_to__gt=0)
    cursor.objects.bulk_create(
        cursor(consumer="downsampling", organization_id=one.organization_id, seq=one.thinned_to)
        for one in thinned
    )


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='EventCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('consumer', models.CharField(max_length=40)),
                ('organization_id', models.UUIDField()),
                ('seq', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('consumer', 'organization_id'), name='one_cursor_per_consumer')],
            },
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.AlterField('eventcounter', 'thinned_to', models.PositiveBigIntegerField(db_default=0, default=0)),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField('eventcounter', 'thinned_to')]),
    ]
