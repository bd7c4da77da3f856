"""The index of threads begins with the thread, so that it also finds the notices of a thread to anyone."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("notifications", "0002_begin_now")]

    operations = [
        migrations.RemoveIndex(model_name="notice", name="notice_of_thread"),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["thread", "receiver", "-id"], name="notice_of_thread"),
        ),
    ]
