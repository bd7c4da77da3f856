from __future__ import annotations

import pytest

from portal.readiness.checks import people
from portal.readiness.checks.people import Member
from portal.readiness.rows import State

PASS, WARN, FAIL = State.PASS, State.WARN, State.FAIL


def member(name: str, role: str, *, has_second_factor: bool = True) -> Member:
    return Member(
        name=name,
        role=role,
        can_request=role != "viewer",
        is_admin=role == "admin",
        has_second_factor=has_second_factor,
    )


ALICE, DANA, BOB = member("alice", "admin"), member("dana", "operator"), member("bob", "viewer")
CAROL = member("carol", "operator", has_second_factor=False)


@pytest.mark.parametrize(
    ("members", "state", "evidence"),
    [
        ([ALICE, BOB, DANA], PASS, "alice and dana can sign in and request."),
        ([ALICE, BOB, CAROL], WARN, "alice. Only one person; consider a second."),
        ([BOB, CAROL], FAIL, "There is no operator or admin with a second factor."),
    ],
)
def test_a_person_can_request_with_the_role_and_a_second_factor(
    members: list[Member], state: State, evidence: str
) -> None:
    row = people.requesters(members)

    assert (row.state, row.evidence) == (state, evidence)
    assert bool(row.clause) == (state != PASS)


def test_a_person_without_a_second_factor_is_named_with_the_role() -> None:
    assert people.second_factor([ALICE, BOB]).evidence == "2 of 2 members have set one up."
    row = people.second_factor([ALICE, BOB, CAROL])
    assert (row.state, row.clause) == (WARN, "carol has no second factor")
    assert row.evidence.startswith("carol (operator) has not set one up.")


@pytest.mark.parametrize(
    ("members", "state"),
    [([ALICE, member("erin", "admin")], PASS), ([ALICE, DANA], WARN), ([DANA], WARN)],
)
def test_one_admin_is_too_few(members: list[Member], state: State) -> None:
    assert people.admins(members).state == state
