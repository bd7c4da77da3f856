"""Acts about people at the same moment, on the database of an installation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, NotAllowed
from portal.organizations import invitations, members
from portal.organizations.invitations import InvitationEnded
from portal.organizations.models import Invitation, Membership, Organization, Role
from tests.factories import PASSWORD, member
from tests.integration.test_simultaneous import together
from tests.portal.organizations.mails import link_in, mails_to

CONCURRENT = 4


@pytest.mark.django_db
def test_an_invitation_is_accepted_once(acme: Organization, alice: User) -> None:
    invitations.invite(
        organization=acme,
        actor=Actor.person(alice),
        email="eve@example.com",
        role=Role.OPERATOR,
        origin="https://portal.example",
    )
    token = link_in(mails_to("eve@example.com")[0])

    def accept(number: int) -> Callable[[], object]:
        return lambda: invitations.accept_as_new(
            token=token, username=f"eve-{number}", password=PASSWORD, address="192.0.2.1"
        )

    results = together(*map(accept, range(CONCURRENT)))

    assert sum(isinstance(one, Membership) for one in results) == 1, results
    # The others found it accepted, or the account that it made.
    assert all(isinstance(one, Membership | InvitationEnded | Conflict) for one in results), results
    assert User.objects.filter(email="eve@example.com").count() == 1
    assert Invitation.objects.get().accepted_by == User.objects.get(email="eve@example.com")


@pytest.mark.django_db
def test_two_admins_cannot_demote_or_remove_each_other_at_once(acme: Organization) -> None:
    one, other = (member(name, acme, Role.ADMIN) for name in ("one", "other"))

    def demote(who: User, by: User) -> object:
        return members.change_role(
            organization=acme, user_id=who.pk, role=Role.VIEWER, actor=Actor.person(by)
        )

    def remove(who: User, by: User) -> object:
        return members.remove(organization=acme, user_id=who.pk, actor=Actor.person(by))

    for act in (demote, remove):
        Membership.objects.update(role=Role.ADMIN)
        results = together(partial(act, one, other), partial(act, other, one))

        refused = [error for error in results if isinstance(error, NotAllowed | Conflict)]
        assert len(refused) == 1, results
        assert members.admins(acme).count() == 1
