from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_own_passwords"),
        ("notice_channels", "0002_push_devices"),
    ]

    operations = [
        migrations.AddField(
            model_name="pushdevice",
            name="known_device",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.knowndevice",
            ),
        ),
    ]
