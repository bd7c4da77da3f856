from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The tables stay: portal.events takes them over, and processes of the earlier release still
    use them.

    The log keeps ids without foreign keys, because it is below the apps it describes
    (docs/adr/0045-the-event-log-is-below-the-apps-that-write-to-it.md).
    """

    dependencies = [
        ('mitigations', '0017_idempotency_keys'),
    ]

    operations = [
        migrations.AlterField('event', 'organization', models.UUIDField(db_column='organization_id')),
        migrations.AlterField('event', 'request', models.UUIDField(db_column='request_id', null=True)),
        migrations.AlterField('event', 'mitigation', models.UUIDField(db_column='mitigation_id', db_index=True, null=True)),
        migrations.AlterField('eventcounter', 'organization', models.UUIDField(db_column='organization_id', primary_key=True)),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel(name='Event'),
                migrations.DeleteModel(name='EventCounter'),
            ],
        ),
    ]
