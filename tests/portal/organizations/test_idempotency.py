from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

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
    fixtures = {
        name: request.getfixturevalue(value) if name in {"actor", "organization"} else value
        for name, value in other.items()
    }
    first = {"organization": acme, "actor": alice, "kind": ResultKind.REQUEST, "key": "k1"}
    result = uuid4()
    idempotency.begin(**first, content=CONTENT).save_result(result)  # type: ignore[arg-type]

    repeated = idempotency.begin(**first, content=CONTENT)  # type: ignore[arg-type]
    another = idempotency.begin(**{**first, **fixtures}, content={"name": "Other"})  # type: ignore[arg-type]

    assert repeated.first_result == result
    assert another.first_result is None
    with pytest.raises(IdempotencyKeyReused):
        idempotency.begin(**first, content={"name": "Other"})  # type: ignore[arg-type]


def test_keys_are_deleted_after_a_week(acme: Organization, alice: User) -> None:
    for key in ("old", "new"):
        call = idempotency.begin(acme, alice, ResultKind.REQUEST, key, CONTENT)
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
            actor=dana,
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
