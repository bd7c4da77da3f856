from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0002_let_go'),
    ]

    operations = [
        migrations.RenameField('unknownmitigation', 'let_go_at', 'release_tried_at'),
        migrations.RenameField('unknownmitigation', 'let_go_tries', 'release_tries'),
    ]
