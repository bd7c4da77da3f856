from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q


def forget_what_makes_no_sense(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A longest lifetime of 0 s, or a limit of no targets, would exclude every request: count it as not known."""
    providers = apps.get_model('providers', 'Provider').objects
    providers.filter(Q(max_lifetime_s__lt=30) | Q(max_lifetime_s__gt=4294967295)).update(max_lifetime_s=None)
    providers.filter(max_targets__lt=1).update(max_targets=None)


class Migration(migrations.Migration):

    dependencies = [
        ('organizations', '0001_initial'),
        ('providers', '0006_no_index_on_leases'),
    ]

    operations = [
        migrations.RunPython(forget_what_makes_no_sense, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('max_lifetime_s__gte', 30), ('max_lifetime_s__lte', 4294967295)), name='provider_lifetime_in_range'),
        ),
        migrations.AddConstraint(
            model_name='provider',
            constraint=models.CheckConstraint(condition=models.Q(('max_targets__gte', 1)), name='provider_takes_a_target'),
        ),
    ]
