from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("connections", "0001_connection_tests")]

    operations = [migrations.DeleteModel("ExpiryWarning")]
