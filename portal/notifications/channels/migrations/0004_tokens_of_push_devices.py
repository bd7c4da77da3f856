from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_own_passwords"),
        ("notice_channels", "0003_browsers_of_push_devices"),
    ]

    operations = [
        migrations.AddField(
            model_name="pushdevice",
            name="token",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.apitoken",
                to_field="device_id",
            ),
        ),
    ]
