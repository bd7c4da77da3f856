"""An act of staff whose right ends while it runs does not commit after that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.scopes import Scope
from portal.audit.models import AuditEntry
from portal.core.errors import NotAllowed, NotSignedIn
from portal.events.models import Event
from portal.organizations import acting, admin_removal, closing, founding, live_limit, suspension
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.ownership import services as ownership
from portal.providers import known
from portal.providers.forms import ProviderForm
from portal.staff import people
from portal.staff.models import StaffRole
from tests.conftest import ClientOf
from tests.factories import AuthenticatorFactory, ResourceFactory, UserFactory, member
from tests.integration.acts_of_members import Act
from tests.integration.test_rights_end import result_of
from tests.portal.accounts.test_staff_powers import form_of, url_of
from tests.portal.web.test_staff_providers import NEW

pytestmark = pytest.mark.django_db

ORIGIN: Final = "https://portal.example"
REASON: Final = "They called and asked for it"


@pytest.fixture
def rosa(mo: User, acme: Organization, alice: User) -> User:
    """A colleague who may do all of it, until her manager ends that."""
    rosa = UserFactory.create(username="rosa")
    AuthenticatorFactory.create(user=rosa)
    people.give_role(rosa, StaffRole.OPERATIONS)
    return User.objects.get(pk=rosa.pk)


def _suspend(acme: Organization, by: Actor) -> Act:
    return lambda: suspension.suspend(slug=acme.slug, actor=by, reason=REASON)


def _lift(acme: Organization, by: Actor) -> Act:
    Organization.objects.update(suspended_at=timezone.now())
    return lambda: suspension.lift(slug=acme.slug, actor=by)


def _rename(acme: Organization, by: Actor) -> Act:
    return lambda: closing.rename(slug=acme.slug, actor=by, name="Acme Networks")


def _close(acme: Organization, by: Actor) -> Act:
    return lambda: closing.close(slug=acme.slug, actor=by, reason=REASON)


def _open_again(acme: Organization, by: Actor) -> Act:
    Organization.objects.update(is_active=False)
    return lambda: closing.open_again(slug=acme.slug, actor=by)


def _change_limit(acme: Organization, by: Actor) -> Act:
    return lambda: live_limit.change_limit(slug=acme.slug, actor=by, limit=7)


def _remove_admin(acme: Organization, by: Actor) -> Act:
    eve = member("eve", acme, Role.ADMIN)
    return lambda: admin_removal.remove_admin(
        organization=acme, user_id=eve.pk, actor=by, reason=REASON, address=""
    )


def _found(acme: Organization, by: Actor) -> Act:
    return lambda: founding.found(
        actor=by, name="Initech", admin_email="i@example.com", preset="standard", origin=ORIGIN
    )


def _invite(acme: Organization, by: Actor) -> Act:
    return lambda: founding.invite_admin(
        organization=acme, actor=by, email="new@example.com", origin=ORIGIN
    )


def _revoke(acme: Organization, by: Actor) -> Act:
    mo = Actor.person(User.objects.get(username="mo"))
    invited = founding.invite_admin(
        organization=acme, actor=mo, email="new@example.com", origin=ORIGIN
    )
    return lambda: founding.revoke(organization=acme, invitation_id=invited.pk, actor=by)


def _add_provider(acme: Organization, by: Actor) -> Act:
    form = ProviderForm(NEW)
    assert form.is_valid(), form.errors
    return lambda: known.save_provider(form, actor=by)


def _claimed(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(organization=acme, value="198.51.100.0/25", verified_at=None)


def _verify(acme: Organization, by: Actor) -> Act:
    resource, person = _claimed(acme), by.require_person()
    return lambda: ownership.verify_by_staff(resource=resource, actor=person, reason=REASON)


def _refuse(acme: Organization, by: Actor) -> Act:
    resource, person = _claimed(acme), by.require_person()
    return lambda: ownership.refuse_by_staff(resource=resource, actor=person, reason=REASON)


def _act_for(acme: Organization, by: Actor) -> Act:
    person = by.require_person()
    return lambda: acting.begin(slug=acme.slug, user=person, credential="hers", reason=REASON)


ACTS: Final = (
    _suspend, _lift, _rename, _close, _open_again, _change_limit, _remove_admin, _found, _invite,
    _revoke, _add_provider, _verify, _refuse, _act_for,
)  # fmt: skip
Prepare = Callable[[Organization, Actor], Act]


def _is_recorded(rosa: User) -> bool:
    entries = AuditEntry.objects.filter(actor_id=str(rosa.pk))
    return entries.exists() or Event.objects.filter(actor=rosa).exists()


def _leave(rosa: User, mo: User, client_of: ClientOf) -> None:
    people.end(user_id=rosa.pk, actor=Actor.person(mo), address="")


@pytest.mark.parametrize("prepare", ACTS)
def test_nothing_that_staff_do_commits_after_their_access_ended(
    acme: Organization, rosa: User, mo: User, client_of: ClientOf, prepare: Prepare
) -> None:
    act = prepare(acme, Actor.person(rosa))

    result = result_of(act, while_ending=lambda: _leave(rosa, mo, client_of))

    assert isinstance(result, NotAllowed), result
    assert not _is_recorded(rosa)


@pytest.mark.parametrize("prepare", ACTS)
def test_the_same_acts_are_done_while_the_right_holds(
    acme: Organization, rosa: User, prepare: Prepare
) -> None:
    prepare(acme, Actor.person(rosa))()

    assert _is_recorded(rosa)


def _lower_the_role(rosa: User, mo: User, client_of: ClientOf) -> None:
    people.change_role(user_id=rosa.pk, role=StaffRole.SUPPORT, actor=Actor.person(mo), address="")


def _take_the_flag(rosa: User, mo: User, client_of: ClientOf) -> None:
    kept = [str(one) for one in rosa.user_permissions.values_list("pk", flat=True)]
    fields = {**form_of(rosa), "user_permissions": kept}
    fields.pop("is_staff")
    assert client_of(mo).post(url_of(rosa), fields).status_code == 302


def _take_the_permissions(rosa: User, mo: User, client_of: ClientOf) -> None:
    assert client_of(mo).post(url_of(rosa), form_of(rosa)).status_code == 302


def _deactivate(rosa: User, mo: User, client_of: ClientOf) -> None:
    assert client_of(mo).post(url_of(rosa), form_of(rosa, is_active="")).status_code == 302


@pytest.mark.parametrize(
    "end", [_lower_the_role, _take_the_flag, _take_the_permissions, _deactivate]
)
def test_a_suspension_is_refused_however_the_right_ends(
    acme: Organization,
    rosa: User,
    mo: User,
    client_of: ClientOf,
    end: Callable[[User, User, ClientOf], None],
) -> None:
    act = _suspend(acme, Actor.person(rosa))

    result = result_of(act, while_ending=lambda: end(rosa, mo, client_of))

    assert isinstance(result, NotAllowed), result
    assert not Organization.objects.filter(suspended_at__isnull=False).exists()


def test_a_suspension_by_a_token_is_refused_after_it_was_revoked(
    acme: Organization, rosa: User
) -> None:
    token, _ = accounts.make_token(user=rosa, name="script", scope=Scope.ADMIN, days=1, networks=[])
    rosa.acting_token = token
    act = _suspend(acme, Actor.person(rosa))

    result = result_of(act, while_ending=lambda: accounts.revoke_token(token=token))

    assert isinstance(result, NotSignedIn), result
    assert not Organization.objects.filter(suspended_at__isnull=False).exists()
