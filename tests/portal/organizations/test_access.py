from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from portal.accounts.models import User
from portal.accounts.services import issue_token
from portal.core.errors import NotAllowed, NotFound
from portal.organizations import queries, services
from portal.organizations.access import membership_for, token_for
from portal.organizations.models import Membership, Organization, Role
from tests.factories import member


def test_a_member_has_access(bob: User, acme: Organization) -> None:
    assert membership_for(bob, "acme").organization == acme


@pytest.mark.parametrize(
    ("have", "needed", "may"),
    [
        (Role.VIEWER, Role.VIEWER, True),
        (Role.VIEWER, Role.OPERATOR, False),
        (Role.VIEWER, Role.ADMIN, False),
        (Role.OPERATOR, Role.VIEWER, True),
        (Role.OPERATOR, Role.OPERATOR, True),
        (Role.OPERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.VIEWER, True),
        (Role.ADMIN, Role.OPERATOR, True),
        (Role.ADMIN, Role.ADMIN, True),
    ],
)
def test_a_role_includes_the_rights_of_lesser_roles(have: Role, needed: Role, may: bool) -> None:
    assert have.covers(needed) is may


def test_an_outsider_gets_the_answer_of_an_unknown_organization(
    charlie: User, acme: Organization
) -> None:
    with pytest.raises(NotFound) as foreign:
        membership_for(charlie, "acme")
    with pytest.raises(NotFound) as unknown:
        membership_for(charlie, "nowhere")

    assert foreign.value.message == unknown.value.message


def test_a_member_below_the_role_learns_who_has_it(
    alice: User, dana: User, bob: User, acme: Organization
) -> None:
    with pytest.raises(
        NotAllowed,
        match=r"This needs the operator role; yours is viewer\. alice and dana can do it\.",
    ):
        membership_for(bob, "acme", Role.OPERATOR)


def test_the_first_five_of_many_who_can_are_named(bob: User, acme: Organization) -> None:
    for name in ("f", "e", "d", "c", "b", "a"):
        member(name, acme, Role.OPERATOR)

    with pytest.raises(NotAllowed, match=r" a, b, c, d and e can do it\."):
        membership_for(bob, "acme", Role.OPERATOR)


def test_only_current_members_are_named_as_able(dana: User, bob: User, acme: Organization) -> None:
    User.objects.filter(pk=dana.pk).update(is_active=False)

    with pytest.raises(NotAllowed, match=r"yours is viewer\.$"):
        membership_for(bob, "acme", Role.OPERATOR)


def test_a_suspended_organization_is_closed(alice: User, acme: Organization) -> None:
    acme.is_active = False
    services.change_settings(organization=acme)

    with pytest.raises(NotFound):
        membership_for(alice, "acme")
    assert not queries.memberships(alice).exists()


def test_an_inactive_person_has_no_access(alice: User, acme: Organization) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(NotFound):
        membership_for(alice, "acme")


def test_a_role_can_change_and_end(bob: User, acme: Organization) -> None:
    services.set_role(organization=acme, user=bob, role=Role.OPERATOR)
    assert membership_for(bob, "acme", Role.OPERATOR).can_operate

    services.remove_member(organization=acme, user=bob)
    services.remove_member(organization=acme, user=bob)

    assert not Membership.objects.filter(user=bob).exists()


def test_portal_staff_are_not_members(mo: User, acme: Organization) -> None:
    with pytest.raises(NotFound):
        membership_for(mo, "acme")


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("slug", "is_active", "statements"),
    [("acme", True, 0), ("acme", False, 4), ("globex", True, 4), ("nowhere", True, 4)],
)
def test_the_statement_of_a_token_reads_the_membership_too(
    bob: User, acme: Organization, globex: Organization, slug: str, is_active: bool,
    statements: int, django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    """A membership that it does not find is looked for again, for the security log; the audit gets
    its entry, within a savepoint.
    """
    Organization.objects.update(is_active=is_active)
    issued = issue_token(user=bob, device_name="test")
    token = token_for(issued.plain, slug)
    assert token is not None

    with django_assert_num_queries(statements):
        try:
            found = membership_for(token.user, slug)
        except NotFound:
            assert statements == 4
            return

    own = Membership.objects.select_related("user", "organization").get(user=bob)
    assert (found, found.role) == (own, own.role)
    assert _values(found.organization) == _values(own.organization)
    assert _values(found.user) == _values(own.user)


def test_a_membership_that_was_read_with_a_token_opens_no_other_organization(
    bob: User, acme: Organization, globex: Organization
) -> None:
    token = token_for(issue_token(user=bob, device_name="test").plain, "acme")
    assert token is not None

    with pytest.raises(NotFound):
        membership_for(token.user, "globex")


def _values(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
