from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

CAUSES = [
    (code, label)
    for code, label in (
        ('first', 'First'), ('by_hand', 'By Hand'), ('held_again', 'Held Again'), ('refused', 'Refused'),
        ('exceeded', 'Exceeded'), ('withdrew', 'Withdrew'), ('silent', 'Silent'), ('told_to_wait', 'Told To Wait'),
        ('not_reached', 'Not Reached'), ('not_sendable', 'Not Sendable'), ('not_saved', 'Not Saved'), ('other', 'Other'),
    )
]
WITHDRAWN_CAUSES = [('earlier_filters', 'Earlier Filters'), ('other', 'Other')]


class Migration(migrations.Migration):
    """The columns of the sentences stay under their names: processes of the earlier release still write to them.

    What they write between this and their restart has the default codes and a text: is_withdrawn_by_policy and
    is_failover read both.
    """

    dependencies = [
        ('mitigations', '0019_words_of_the_field'),
        ('providers', '0010_redirection_ignored'),
    ]

    operations = [
        migrations.AddField(
            model_name='mitigation',
            name='cause',
            field=models.CharField(choices=CAUSES, db_default='first', default='first', max_length=16),
        ),
        migrations.AddField(
            model_name='mitigation',
            name='cause_subscription',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='providers.subscription'),
        ),
        migrations.AddField(
            model_name='mitigation',
            name='withdrawn_cause',
            field=models.CharField(blank=True, choices=WITHDRAWN_CAUSES, db_default='', default='', max_length=16),
        ),
        migrations.AddField(
            model_name='mitigation',
            name='withdrawn_for',
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AlterField(
            model_name='mitigation',
            name='because',
            field=models.CharField(blank=True, db_column='because', db_default='', default='', max_length=200),
        ),
        migrations.RenameField(model_name='mitigation', old_name='because', new_name='cause_text'),
        migrations.AlterField(
            model_name='mitigation',
            name='withdrawn_because',
            field=models.CharField(blank=True, db_column='withdrawn_because', db_default='', default='', max_length=200),
        ),
        migrations.RenameField(model_name='mitigation', old_name='withdrawn_because', new_name='withdrawn_cause_text'),
    ]
