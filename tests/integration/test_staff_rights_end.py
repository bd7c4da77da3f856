"""What staff do while they act for an organization does not commit after that has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import NotAllowed, NotFound
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.validation import Submission
from portal.organizations import acting
from portal.organizations import services as organizations
from portal.organizations.idempotency import Call
from portal.organizations.models import Organization, ProtectedResource, StaffActing
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.factories import AuthenticatorFactory, UserFactory
from tests.integration.acts_of_members import ACTS, PREFIXES, create_log
from tests.integration.test_rights_end import result_of
from tests.portal.accounts.test_staff_powers import form_of, url_of

pytestmark = pytest.mark.django_db

ADMINS_ONLY: Final = ("remove a resource", "mail the audit")
SESSION: Final = "the session of mo"


@pytest.fixture(autouse=True)
def _prepared(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    """Acme has an admin, a verified prefix and two providers."""


@pytest.fixture
def by_mo(acme: Organization, mo: User) -> Actor:
    """Mo acts for Acme, as a call has it that began while that was so."""
    mo.acting = acting.begin(
        slug="acme", user=mo, credential=SESSION, reason="Their admin called: the form fails"
    )
    return Actor.person(mo)


@pytest.fixture
def boss(db: None) -> User:
    boss = UserFactory.create(username="boss", is_staff=True, is_superuser=True)
    AuthenticatorFactory.create(user=boss)
    return boss


def _stop(mo: User) -> None:
    assert mo.acting is not None
    acting.stop(mo.acting)


@pytest.mark.parametrize("name", ACTS)
def test_nothing_that_staff_do_commits_after_they_stopped(
    acme: Organization, mo: User, by_mo: Actor, name: str
) -> None:
    if name in ADMINS_ONLY:
        with pytest.raises(NotAllowed):
            ACTS[name](acme, by_mo)()
        return
    act = ACTS[name](acme, by_mo)

    result = result_of(act, while_ending=lambda: _stop(mo))

    assert isinstance(result, NotFound), result
    own = Event.objects.filter(actor=mo).exclude(type__startswith="staff.acting")
    assert not own.exists()


def _sign_out(mo: User, boss: User, client_of: ClientOf) -> None:
    acting.end_with_credential(credential=SESSION, user=mo)


def _take_the_flag(mo: User, boss: User, client_of: ClientOf) -> None:
    # Without is_staff, as a browser leaves out what is not ticked.
    fields = {key: value for key, value in form_of(mo).items() if key != "is_staff"}
    assert client_of(boss).post(url_of(mo), fields).status_code == 302


def _deactivate(mo: User, boss: User, client_of: ClientOf) -> None:
    assert client_of(boss).post(url_of(mo), form_of(mo, is_active="")).status_code == 302


def _close(mo: User, boss: User, client_of: ClientOf) -> None:
    organization = Organization.objects.get(slug="acme")
    organization.is_active = False
    organizations.change_settings(organization=organization)


ENDS: Final = (_sign_out, _take_the_flag, _deactivate, _close)


@pytest.mark.parametrize("end", ENDS)
def test_a_submission_of_staff_is_refused_however_acting_ends(
    acme: Organization,
    mo: User,
    by_mo: Actor,
    boss: User,
    client_of: ClientOf,
    end: Callable[[User, User, ClientOf], None],
) -> None:
    act = ACTS["submit"](acme, by_mo)

    result = result_of(act, while_ending=lambda: end(mo, boss, client_of))

    assert isinstance(result, NotFound), result
    assert not MitigationRequest.objects.exists()


def test_a_submission_of_staff_is_refused_once_the_time_is_over(
    acme: Organization, by_mo: Actor
) -> None:
    act = ACTS["submit"](acme, by_mo)
    StaffActing.objects.update(ends_at=timezone.now())

    with pytest.raises(NotFound):
        act()
    assert not MitigationRequest.objects.exists()


def test_the_statement_itself_writes_nothing_for_staff(acme: Organization, by_mo: Actor) -> None:
    create_log(acme)

    answer = submit_at_once(acme, by_mo, Submission(prefixes=PREFIXES), Call({}, "", None))

    assert answer is None
    assert not MitigationRequest.objects.exists()
