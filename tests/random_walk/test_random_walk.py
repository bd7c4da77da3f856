"""A short walk, and one past a door that was left open. Long ones:
`python -m tests.random_walk --steps 10000 --seed 1`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import pytest

from portal.accounts.models import User
from portal.organizations import access
from portal.organizations.models import Membership, Organization, Role
from tests.random_walk.canaries import CANARY, LONGEST, WRITTEN_ONCE
from tests.random_walk.cast import cast
from tests.random_walk.checks import Rows
from tests.random_walk.owned_rows import owners, rows_of, text_columns
from tests.random_walk.walk import Walk
from tests.random_walk.world import build

STEPS: Final = 300
STEPS_PAST_THE_DOOR: Final = 160

pytestmark = [pytest.mark.exhaustive, pytest.mark.django_db]


@pytest.mark.timeout(600)  # on a busy machine: ten seconds otherwise
def test_no_call_fails_or_crosses_from_one_tenant_to_another() -> None:
    walked = Walk(seed=1).run(STEPS)

    assert walked.faults == [], "\n".join(walked.faults)
    assert walked.frames
    assert len(walked.answered) > STEPS / 10


def test_a_walk_notices_that_every_person_is_an_admin_of_every_tenant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = access.memberships_for

    def find_or_make(asked: Collection[Any]) -> dict[tuple[UUID, str], Membership]:
        own = {one.slug: one for one in Organization.objects.all()}
        made = {
            (user.pk, slug): Membership(organization=own[slug], user=user, role=Role.ADMIN)
            for user, slug in asked
            if isinstance(user, User) and slug in own
        }
        return made | find(asked)

    monkeypatch.setattr(access, "memberships_for", find_or_make)
    faults = "\n".join(Walk(seed=2).run(STEPS_PAST_THE_DOOR).faults)

    assert ": shows qz" in faults


def test_a_changed_row_of_another_tenant_is_a_fault() -> None:
    world = build()
    callers = {one.name: one for one in cast(world)}
    rows = Rows(world)

    def changed_by(name: str) -> list[str]:
        with rows.watched():
            Organization.objects.filter(slug="acme").update(name=f"Changed by {name}")
        return list(rows.changes(callers[name], "settings:policy"))

    assert changed_by("admin of acme") == []
    for name in ("admin of globex", "viewer of acme", "staff acting for globex", "anonymous"):
        assert changed_by(name) == ["changes organizations_organization of acme"], name


def test_each_text_column_of_a_tenant_has_its_own_canary() -> None:
    world = build()

    assert all(len(one.canaries) > 40 for one in world.tenants.values())
    everyone = [canary for one in world.tenants.values() for canary in one.canaries]
    assert len(set(everyone)) == len(everyone)
    empty = [
        f"{model.__name__}.{field.name}"
        for model in owners()
        if model._meta.app_label != WRITTEN_ONCE
        for field in text_columns(model)
        if (getattr(field, "max_length", None) or LONGEST) >= LONGEST
        for row in rows_of(model, world.tenants["acme"].organization.pk)
        if not CANARY.search(str(getattr(row, field.name)))
    ]
    assert empty == []
