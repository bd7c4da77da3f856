from django.db import migrations, models


class Migration(migrations.Migration):
    """The columns keep their names: processes of the earlier release use them until their restart."""

    dependencies = [
        ('inventory', '0002_let_go'),
    ]

    operations = [
        migrations.AlterField('unknownmitigation', 'let_go_at', models.DateTimeField(null=True, db_column='let_go_at')),
        migrations.RenameField('unknownmitigation', 'let_go_at', 'release_tried_at'),
        migrations.AlterField(
            'unknownmitigation',
            'let_go_tries',
            models.PositiveSmallIntegerField(db_column='let_go_tries', db_default=0, default=0),
        ),
        migrations.RenameField('unknownmitigation', 'let_go_tries', 'release_tries'),
    ]
