from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0009_session_refusal'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscription',
            name='redirection_ignored',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=16),
        ),
    ]
