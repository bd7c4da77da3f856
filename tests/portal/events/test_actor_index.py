"""Events are indexed by their actor, but reports of providers, which have none, are not."""

from __future__ import annotations

from importlib import import_module
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from portal.events.models import Event

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

MIGRATION = import_module("portal.events.migrations.0006_index_events_with_an_actor")


def present() -> set[str]:
    with connection.schema_editor(atomic=False) as editor:
        found: set[str] = MIGRATION.indexes(editor)
    return found


def test_the_index_is_replaced_and_may_be_replaced_again_after_an_abort() -> None:
    assert present() == {MIGRATION.PARTIAL}

    for replace, name in (
        (MIGRATION.to_whole, MIGRATION.WHOLE),
        (MIGRATION.to_partial, MIGRATION.PARTIAL),
        (MIGRATION.to_partial, MIGRATION.PARTIAL),
    ):
        with connection.schema_editor(atomic=False) as editor:
            replace(apps, editor)
        assert present() == {name}


def test_the_check_before_a_person_is_deleted_can_use_it() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")
    try:
        plan = Event.objects.filter(actor=uuid4()).order_by().explain()
    finally:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("RESET enable_seqscan")

    assert MIGRATION.PARTIAL in plan
