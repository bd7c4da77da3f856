from __future__ import annotations

from typing import Any

from django.db import migrations, models

# What earlier releases and the versions between them saved as text.
SENTENCES = {
    'no_worker': ['The part of the portal that talks to providers is not running.'],
    'crashed': [
        'The portal failed to keep this connection and tries again. Its log says why.',
        'The portal could not keep this connection and is trying again. Its log says why.',
    ],
    'key_unreadable': ['The portal cannot decrypt the private key of this subscription'],
}


def to_codes(apps: Any, schema_editor: Any) -> None:
    Subscription = apps.get_model('providers', 'Subscription')
    for fault, sentences in SENTENCES.items():
        for sentence in sentences:
            found = Subscription.objects.filter(session_detail__startswith=sentence)
            found.update(session_fault=fault, session_detail='')


class Migration(migrations.Migration):

    dependencies = [
        ('providers', '0010_redirection_ignored'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscription',
            name='session_fault',
            field=models.CharField(blank=True, choices=[('no_worker', 'No Worker'), ('crashed', 'Crashed'), ('key_unreadable', 'Key Unreadable')], db_default='', default='', editable=False, max_length=16),
        ),
        migrations.RunPython(to_codes, migrations.RunPython.noop),
    ]
