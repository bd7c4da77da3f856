from django.db import migrations, models


class Migration(migrations.Migration):
    """The columns keep their names: processes of the earlier release use them until their restart."""

    dependencies = [
        ('mitigations', '0018_log_moves_to_events'),
    ]

    operations = [
        migrations.AlterField('mitigation', 'let_go_at', models.DateTimeField(null=True, db_column='let_go_at')),
        migrations.RenameField('mitigation', 'let_go_at', 'release_tried_at'),
        migrations.AlterField('mitigation', 'let_go_tries', models.PositiveSmallIntegerField(default=0, db_column='let_go_tries')),
        migrations.RenameField('mitigation', 'let_go_tries', 'release_tries'),
        migrations.AlterField('mitigationrequest', 'has_gap', models.BooleanField(default=False, db_column='has_gap')),
        migrations.RenameField('mitigationrequest', 'has_gap', 'has_uncovered_targets'),
    ]
