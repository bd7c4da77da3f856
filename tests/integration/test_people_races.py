"""Acts about people at the same moment, on the database of an installation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection, transaction

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.managers import managers
from portal.accounts.models import User
from portal.core.errors import Conflict, NotAllowed
from portal.events.log import lock_log
from portal.organizations import admin_removal, invitations, members
from portal.organizations.invitations import InvitationEnded
from portal.organizations.models import Invitation, Membership, Organization, Role
from portal.staff import invitations as staff_invitations
from portal.staff import people as staff
from portal.staff.models import StaffInvitation, StaffRole
from tests.factories import PASSWORD, AuthenticatorFactory, UserFactory, member
from tests.integration.test_simultaneous import together, waits_for_a_lock
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


@pytest.mark.django_db
def test_a_reset_waits_for_the_log_before_it_locks_the_person(
    acme: Organization, alice: User, bob: User, mo: User
) -> None:
    """A removal locks the log first and then the person: two orders would be a deadlock."""
    results: list[object] = []

    def reset() -> None:
        try:
            accounts.reset_second_factor(user=bob, actor=mo, address="192.0.2.1")
            results.append("done")
        finally:
            connection.close()

    thread = threading.Thread(target=reset)
    with transaction.atomic():
        lock_log(acme.pk)
        thread.start()
        while thread.is_alive() and not waits_for_a_lock():
            thread.join(0.01)
        assert User.objects.select_for_update(nowait=True).get(pk=bob.pk) == bob
        members.remove(organization=acme, user_id=bob.pk, actor=Actor.person(alice))
    thread.join(10)

    assert results == ["done"]


def _manager(name: str) -> User:
    user = UserFactory.create(username=name)
    AuthenticatorFactory.create(user=user)
    staff.give_role(user, StaffRole.MANAGER)
    return user


@pytest.mark.django_db
def test_two_managers_cannot_demote_or_end_each_other_at_once(db: None) -> None:
    one, other = _manager("one"), _manager("other")

    def demote(who: User, by: User) -> object:
        return staff.change_role(
            user_id=who.pk, role=StaffRole.SUPPORT, actor=Actor.person(by), address="192.0.2.1"
        )

    def end(who: User, by: User) -> object:
        return staff.end(user_id=who.pk, actor=Actor.person(by), address="192.0.2.1")

    for act in (demote, end):
        for user in (one, other):
            staff.give_role(user, StaffRole.MANAGER)
        results = together(partial(act, one, other), partial(act, other, one))

        refused = [error for error in results if isinstance(error, NotAllowed | Conflict)]
        assert len(refused) == 1, results
        assert managers().count() == 1


@pytest.mark.django_db
def test_two_managers_cannot_both_leave_at_once(db: None) -> None:
    one, other = _manager("one"), _manager("other")

    def leave(user: User) -> object:
        return staff.end(user_id=user.pk, actor=Actor.person(user), address="192.0.2.1")

    results = together(partial(leave, one), partial(leave, other))

    assert [one for one in results if isinstance(one, Conflict)], results
    assert managers().count() == 1


@pytest.mark.django_db
def test_a_staff_invitation_is_accepted_once_or_revoked(mo: User) -> None:
    invitation = staff_invitations.invite(
        actor=Actor.person(mo),
        email="eve@example.com",
        role=StaffRole.SUPPORT,
        origin="https://portal.example",
    )
    token = link_in(mails_to("eve@example.com")[0])

    def accept(number: int) -> Callable[[], object]:
        return lambda: staff_invitations.accept_as_new(
            token=token, username=f"eve-{number}", password=PASSWORD, address="192.0.2.1"
        )

    def revoke() -> object:
        return staff_invitations.revoke(invitation_id=invitation.pk, actor=Actor.person(mo))

    results = together(*map(accept, range(CONCURRENT)), revoke)

    joined = User.objects.filter(email="eve@example.com", is_staff=True)
    row = StaffInvitation.objects.get()
    assert joined.count() == sum(isinstance(one, User) for one in results) <= 1, results
    assert (row.accepted_at is None) != (row.revoked_at is None)
    assert joined.exists() == (row.accepted_at is not None)


@pytest.mark.django_db
def test_two_acts_of_staff_cannot_remove_the_last_two_admins_at_once(
    acme: Organization, mo: User
) -> None:
    one, other = (member(name, acme, Role.ADMIN) for name in ("one", "other"))

    def remove(who: User) -> object:
        return admin_removal.remove_admin(
            organization=acme,
            user_id=who.pk,
            actor=Actor.person(mo),
            reason="They left the company",
            address="192.0.2.1",
        )

    results = together(partial(remove, one), partial(remove, other))

    assert sum(isinstance(error, Conflict) for error in results) == 1, results
    assert members.admins(acme).count() == 1
