from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """The tables exist: portal.mitigations created them, and their names stay."""

    initial = True

    dependencies = [
        ('mitigations', '0018_log_moves_to_events'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='EventCounter',
                    fields=[
                        ('organization_id', models.UUIDField(primary_key=True, serialize=False)),
                        ('last_seq', models.PositiveBigIntegerField(default=0)),
                        ('thinned_to', models.PositiveBigIntegerField(default=0)),
                    ],
                    options={
                        'db_table': 'mitigations_eventcounter',
                    },
                ),
                migrations.CreateModel(
                    name='Event',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('organization_id', models.UUIDField()),
                        ('seq', models.PositiveBigIntegerField()),
                        ('at', models.DateTimeField()),
                        ('type', models.CharField(choices=[('request.submitted', 'Request Submitted'), ('request.status', 'Request Status'), ('request.terminate_requested', 'Request Terminate Requested'), ('request.extended', 'Request Extended'), ('request.acknowledged', 'Request Acknowledged'), ('mitigation.asked', 'Mitigation Asked'), ('mitigation.withdraw_requested', 'Mitigation Withdraw Requested'), ('mitigation.sent', 'Mitigation Sent'), ('mitigation.status', 'Mitigation Status'), ('mitigation.counters', 'Mitigation Counters'), ('mitigation.refused', 'Mitigation Refused'), ('mitigation.efficacy', 'Mitigation Efficacy'), ('drill.started', 'Drill Started'), ('drill.ended', 'Drill Ended'), ('unknown_mitigation.found', 'Unknown Found'), ('unknown_mitigation.changed', 'Unknown Changed'), ('unknown_mitigation.withdraw_requested', 'Unknown Withdraw Requested'), ('unknown_mitigation.adopted', 'Unknown Adopted'), ('unknown_mitigation.ended', 'Unknown Ended'), ('session.up', 'Session Up'), ('session.down', 'Session Down')], max_length=40)),
                        ('request_id', models.UUIDField(null=True)),
                        ('mitigation_id', models.UUIDField(db_index=True, null=True)),
                        ('data', models.JSONField(default=dict)),
                        ('thinned', models.PositiveIntegerField(default=0)),
                        ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                    ],
                    options={
                        'db_table': 'mitigations_event',
                        'ordering': ['seq'],
                        'indexes': [models.Index(fields=['request_id', 'type', 'seq'], name='event_of_request')],
                        'constraints': [models.UniqueConstraint(fields=('organization_id', 'seq'), name='one_event_per_seq')],
                    },
                ),
            ],
        ),
    ]
