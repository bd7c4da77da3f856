"""A membership gives access only to rows of its own organization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.accounts.models import User
from portal.core.errors import NotFound
from portal.inventory.access import unknown_for
from portal.mitigations.access import request_for
from portal.organizations.access import membership_for
from portal.organizations.models import Membership
from portal.standby.access import plan_for
from tests.portal.inventory.conftest import Record, one, reported
from tests.portal.inventory.conftest import record as record
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.conftest import submit as submit
from tests.portal.standby.conftest import Prepare
from tests.portal.standby.conftest import prepare as prepare

Reach = Callable[[Membership, UUID], Any]


@pytest.mark.parametrize("reach", [request_for, plan_for, unknown_for])
def test_a_row_is_found_by_members_of_its_organization_alone(
    submit: Submit,
    prepare: Prepare,
    record: Record,
    bob: User,
    charlie: User,
    reach: Reach,
) -> None:
    request, plan = submit(), prepare()
    record(reported())
    rows: dict[Reach, Any] = {request_for: request, plan_for: plan, unknown_for: one()}
    mine, theirs = membership_for(bob, "acme"), membership_for(charlie, "globex")

    assert reach(mine, rows[reach].pk) == rows[reach]
    for membership, row_id in ((theirs, rows[reach].pk), (mine, uuid4()), (theirs, uuid4())):
        with pytest.raises(NotFound):
            reach(membership, row_id)
