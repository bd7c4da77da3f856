"""Write entries and seal them, and change rows as an intruder would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

from portal.accounts.actors import Actor
from portal.audit.recording import Object, record_entry
from portal.audit.sealing import seal_all
from portal.audit.verbs import Verb
from tests.audit_tables import without_triggers


def recorded(organization_id: UUID, count: int) -> list[int]:
    """Ids of `count` sealed entries."""
    entries = [
        record_entry(
            Verb.PLAN_CHANGED,
            actor=Actor.portal(),
            organization_id=organization_id,
            about=Object("plan", number, f"plan {number}"),
        )
        for number in range(count)
    ]
    seal_all()
    return [entry.pk for entry in entries]


@contextmanager
def tampering() -> Iterator[None]:
    with transaction.atomic(), without_triggers(connection):
        yield
