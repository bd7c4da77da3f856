from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('mitigations', '0018_log_moves_to_events'),
    ]

    operations = [
        migrations.RenameField('mitigation', 'let_go_at', 'release_tried_at'),
        migrations.RenameField('mitigation', 'let_go_tries', 'release_tries'),
        migrations.RenameField('mitigationrequest', 'has_gap', 'has_uncovered_targets'),
    ]
