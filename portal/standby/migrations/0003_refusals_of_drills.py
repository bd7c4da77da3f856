from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The column of the sentence stays under its name: it has no code, and processes of the earlier release write to it."""

    dependencies = [
        ('standby', '0002_activated_plans'),
    ]

    operations = [
        migrations.AddField(
            model_name='drillcheck',
            name='refusal_code',
            field=models.CharField(blank=True, db_default='', default='', max_length=16),
        ),
        migrations.AddField(
            model_name='drillcheck',
            name='refusal_reason',
            field=models.TextField(blank=True, db_default='', default=''),
        ),
        migrations.AddField(
            model_name='drillcheck',
            name='conflict',
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name='drillcheck',
            name='reason',
            field=models.CharField(blank=True, db_column='reason', db_default='', default='', max_length=300),
        ),
        migrations.RenameField(model_name='drillcheck', old_name='reason', new_name='reason_text'),
    ]
