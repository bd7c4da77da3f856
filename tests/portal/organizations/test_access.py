from __future__ import annotations

import pytest

from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotFound
from portal.organizations import queries, services
from portal.organizations.access import membership_for
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
