"""The database raises the version of a mitigation's row for every writer."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models, transaction

from portal.core.json_value import JSONValueField
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.row_version import NUMBERS
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, confirm

FIELDS = [
    field
    for field in Mitigation._meta.concrete_fields
    if not field.primary_key and field.name != "version"
]


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    return submit().mitigations.get()


def version_of(mitigation: Mitigation) -> int:
    return Mitigation.objects.values_list("version", flat=True).get(pk=mitigation.pk)


def other_value(field: models.Field[object, object], present: Any) -> Any:
    """A value that the row does not have, as the database takes it."""
    if isinstance(field, JSONValueField):
        return '{"another": "value"}'
    if isinstance(field, models.DateTimeField):
        return NOW.replace(year=2001)
    if isinstance(field, models.ForeignKey):
        return uuid4() if connection.vendor == "postgresql" else uuid4().hex
    if isinstance(field, models.BooleanField):
        return not present
    return 7 if isinstance(field, models.IntegerField) else "another"


def raises(mitigation: Mitigation, field: models.Field[object, object]) -> int:
    """By how much a new value of this column raises the version. The row stays as it is."""
    before = version_of(mitigation)
    # The value is senseless, so nothing of this is committed.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE mitigations_mitigation SET "{field.column}" = %s WHERE mid = %s',
            [other_value(field, getattr(mitigation, field.attname)), mitigation.mid],
        )
        assert cursor.rowcount == 1
        key = Mitigation._meta.pk.get_db_prep_value(mitigation.pk, connection)
        cursor.execute("SELECT version FROM mitigations_mitigation WHERE id = %s", [key])
        (after,) = cursor.fetchone()
        transaction.set_rollback(True)
    return int(after) - before


def test_every_column_but_numbers_raises_the_version(mitigation: Mitigation) -> None:
    raised = {field.attname: raises(mitigation, field) for field in FIELDS}

    assert raised == {name: 0 if name in NUMBERS else 1 for name in raised}


def test_numbers_are_columns() -> None:
    assert {field.attname for field in FIELDS} >= NUMBERS


def test_a_write_that_changes_nothing_leaves_the_version(mitigation: Mitigation) -> None:
    before = version_of(mitigation)

    Mitigation.objects.filter(pk=mitigation.pk).update(status=mitigation.status, mid=mitigation.mid)

    assert version_of(mitigation) == before


def test_saving_an_outdated_row_does_not_lower_the_version(mitigation: Mitigation) -> None:
    outdated = Mitigation.objects.get(pk=mitigation.pk)
    confirm(mitigation)
    before = version_of(mitigation)
    assert before > outdated.version

    outdated.save()

    assert version_of(mitigation) > before


def test_a_report_of_numbers_leaves_the_version_and_a_new_status_raises_it(
    mitigation: Mitigation,
) -> None:
    confirm(mitigation)
    filtering = services.ProviderReport(dots_status=2, trigger=None, bytes_dropped=1)
    services.record_report(mitigation_id=mitigation.pk, report=filtering, now=NOW)
    before = version_of(mitigation)

    more = services.ProviderReport(dots_status=2, trigger=None, bytes_dropped=2, lifetime_s=9)
    services.record_report(mitigation_id=mitigation.pk, report=more, now=NOW)
    assert version_of(mitigation) == before

    unknown = services.ProviderReport(dots_status=99, trigger=None)
    services.record_report(mitigation_id=mitigation.pk, report=unknown, now=NOW)
    assert version_of(mitigation) > before
