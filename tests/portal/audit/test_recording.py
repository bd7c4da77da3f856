from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.append_only import CUTS, ENTRIES, SEALS
from portal.audit.models import PORTAL_CHAIN, AuditEntry, Cut, Seal
from portal.audit.origin import KnowsOrigin
from portal.audit.recording import (
    MAX_ITEMS,
    MAX_TEXT,
    SECRET,
    SECRET_FIELDS,
    Object,
    record_entry,
)
from portal.audit.verbs import Verb
from portal.organizations.models import Organization

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

CHANGES = {
    ENTRIES: "UPDATE audit_entry SET actor_name = 'mallory'",
    SEALS: "UPDATE audit_seal SET seq = 7",
    CUTS: "UPDATE audit_cut SET through_seq = 7",
}


@pytest.mark.parametrize("table", sorted(CHANGES))
@pytest.mark.parametrize("act", ["update", "delete", "truncate"])
def test_the_database_refuses_to_change_or_remove_a_row(table: str, act: str) -> None:
    if act == "truncate" and connection.vendor != "postgresql":
        act = "delete"
    entry = record_entry(Verb.SIGNED_IN, actor=Actor.portal())
    entry.refresh_from_db()
    now = entry.at
    Seal.objects.create(entry=entry, organization_id=PORTAL_CHAIN, seq=1, version=1, sealed_at=now)
    Cut.objects.create(organization_id=PORTAL_CHAIN, through_seq=1, at=now)
    statement = {
        "update": CHANGES[table],
        "delete": f"DELETE FROM {table}",
        "truncate": f"TRUNCATE {table} CASCADE",
    }[act]

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert (AuditEntry.objects.count(), Seal.objects.count(), Cut.objects.count()) == (1, 1, 1)


def test_values_of_any_kind_fit_and_come_back_as_recorded(acme: Organization, alice: User) -> None:
    hostile: dict[str, Any] = {
        "text": "x" * 10_000,
        "nul": "a\0b",
        "surrogate": "\ud800",
        "big": 2**70,
        "fraction": 0.1,
        "many": list(range(1000)),
        "deep": {"at": datetime(2026, 1, 2, tzinfo=UTC), "ids": {"b", "a"}},
        "raw": b"\x00\xff",
        "none": None,
        "yes": True,
    }

    entry = record_entry(
        Verb.PLAN_CHANGED,
        actor=Actor.person(alice),
        organization_id=acme.pk,
        about=Object("plan", acme.pk, "n" * 1000 + "\0"),
        after=hostile,
        reason="r" * 1000,
    )

    saved = AuditEntry.objects.get(pk=entry.pk)
    assert saved.after == entry.after
    assert saved.after is not None
    assert len(saved.after["text"]) == MAX_TEXT
    assert len(saved.after["many"]) == MAX_ITEMS
    assert saved.after["nul"] == "a\ufffdb"
    assert saved.after["big"] == str(2**70)
    assert saved.after["fraction"] == "0.1"
    assert saved.after["deep"] == {"at": "2026-01-02T00:00:00Z", "ids": ["a", "b"]}
    assert (saved.actor_name, saved.object_kind) == ("alice", "plan")


def test_no_field_with_a_secret_keeps_its_value() -> None:
    secrets = dict.fromkeys(SECRET_FIELDS, "hunter2")

    entry = record_entry(
        Verb.STAFF_CHANGED, actor=None, before=secrets, after={"nested": [secrets], "blob": b"key"}
    )

    assert entry.before == dict.fromkeys(SECRET_FIELDS, SECRET)
    assert "hunter2" not in str(entry.after)
    assert entry.after is not None
    assert entry.after["blob"] == SECRET


def test_address_factor_and_token_come_from_the_request(rf: RequestFactory, alice: User) -> None:
    recorded: list[AuditEntry] = []

    def view(request: Any) -> Any:
        recorded.append(record_entry(Verb.SIGNED_IN, actor=Actor.person(alice)))

    request = rf.get("/", REMOTE_ADDR="192.0.2.7")
    request.user = AnonymousUser()
    KnowsOrigin(view)(request)
    recorded.append(record_entry(Verb.SIGNED_IN, actor=Actor.person(alice)))

    assert [one.address for one in recorded] == ["192.0.2.7", ""]
