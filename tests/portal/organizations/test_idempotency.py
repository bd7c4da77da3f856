from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import IdempotencyKeyReused
from portal.organizations import idempotency, services, tasks
from portal.organizations.models import (
    IdempotencyKey,
    Organization,
    ProtectedResource,
    ResourceKind,
    ResultKind,
)

CONTENT = {"name": "Shop", "ports": [(80, 443)]}

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "other",
    [
        {"actor": "dana"},
        {"organization": "globex"},
        {"kind": ResultKind.RESOURCE},
        {"key": "k2"},
        {"key": ""},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_key_belongs_to_one_sender_in_one_organization_and_one_kind_of_result(
    other: dict[str, str], request: pytest.FixtureRequest, acme: Organization, alice: User
) -> None:
    changed: dict[str, Any] = dict(other)
    if "actor" in other:
        changed["actor"] = Actor.person(request.getfixturevalue(other["actor"]))
    if "organization" in other:
        changed["organization"] = request.getfixturevalue(other["organization"])
    first: dict[str, Any] = {
        "organization": acme,
        "actor": Actor.person(alice),
        "kind": ResultKind.REQUEST,
        "key": "k1",
    }
    result = uuid4()
    idempotency.begin(**first, content=CONTENT).save_result(result)

    repeated = idempotency.begin(**first, content=CONTENT)
    another = idempotency.begin(**{**first, **changed}, content={"name": "Other"})

    assert repeated.first_result == result
    assert another.first_result is None
    with pytest.raises(IdempotencyKeyReused):
        idempotency.begin(**first, content={"name": "Other"})


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (ResultKind.REQUEST, "mitigations_idempotencykey"),
        (ResultKind.RESOURCE, "organizations_resourcekey"),
    ],
)
def test_a_key_saved_by_the_previous_release_during_the_upgrade_counts_for_a_week(
    acme: Organization, globex: Organization, alice: User, dana: User, kind: ResultKind, table: str
) -> None:
    results = {age: uuid4() for age in (6, 8)}
    digest = hashlib.sha256(json.dumps(CONTENT, sort_keys=True).encode()).hexdigest()
    with connection.cursor() as cursor:
        for age, result in results.items():
            cursor.execute(
                f"INSERT INTO {table}"
                f" (organization_id, user_id, key, digest, {kind}_id, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    UUIDField().get_db_prep_value(acme.pk, connection),
                    UUIDField().get_db_prep_value(alice.pk, connection),
                    f"{age} days",
                    digest,
                    UUIDField().get_db_prep_value(result, connection),
                    DateTimeField().get_db_prep_value(
                        timezone.now() - timedelta(days=age), connection
                    ),
                ),
            )

    def found(key: str, person: User = alice, organization: Organization = acme) -> UUID | None:
        actor = Actor.person(person)
        return idempotency.begin(organization, actor, kind, key, CONTENT).first_result

    assert found("6 days") == results[6]
    assert found("8 days") is None
    assert found("6 days", person=dana) is None
    assert found("6 days", organization=globex) is None
    with pytest.raises(IdempotencyKeyReused):
        idempotency.begin(acme, Actor.person(alice), kind, "6 days", {"name": "Other"})


def test_keys_are_deleted_after_a_week(acme: Organization, alice: User) -> None:
    for key in ("old", "new"):
        call = idempotency.begin(acme, Actor.person(alice), ResultKind.REQUEST, key, CONTENT)
        call.save_result(uuid4())
    now = timezone.now()
    IdempotencyKey.objects.filter(key="old").update(created_at=now - timedelta(days=7))
    IdempotencyKey.objects.filter(key="new").update(created_at=now - timedelta(days=6, hours=23))

    tasks.prune()

    assert [one.key for one in IdempotencyKey.objects.all()] == ["new"]


def test_a_key_whose_resource_was_deleted_creates_it_again(acme: Organization, dana: User) -> None:
    def add() -> ProtectedResource:
        return services.add_resource(
            organization=acme,
            actor=Actor.person(dana),
            name="Shop",
            kind=ResourceKind.PREFIX,
            value="203.0.113.0/27",
            key="k1",
        )

    first = add()
    assert add() == first
    first.delete()

    second = add()

    assert second.pk != first.pk
    assert add() == second
