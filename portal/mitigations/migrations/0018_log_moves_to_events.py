from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    """The tables stay: portal.events takes them over, and processes of the earlier release still use them."""

    dependencies = [
        ('mitigations', '0017_idempotency_keys'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel(name='Event'),
                migrations.DeleteModel(name='EventCounter'),
            ],
        ),
    ]
