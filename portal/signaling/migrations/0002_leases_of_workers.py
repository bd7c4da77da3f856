import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0011_session_fault'),
        ('signaling', '0001_signal_worker'),
    ]

    operations = [
        migrations.AddField(
            model_name='signalworker',
            name='has_leases',
            field=models.BooleanField(db_default=False, default=True),
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('subscription', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='lease', serialize=False, to='providers.subscription')),
                ('worker', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='signaling.signalworker')),
            ],
        ),
    ]
