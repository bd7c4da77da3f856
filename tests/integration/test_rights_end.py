"""An act whose right ends while it runs does not commit after that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import pytest
from django.db import connection, transaction

from portal.accounts import services as services_of_accounts
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.audit.models import AuditEntry
from portal.core.errors import NotAllowed, NotFound, NotSignedIn
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.validation import Submission
from portal.organizations import members, service_tokens
from portal.organizations import services as organizations
from portal.organizations.idempotency import Call
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.factories import ServiceTokenFactory, member
from tests.integration.acts_of_members import (
    ACTS,
    PREFIXES,
    Act,
    alice_of_acme,
    create_log,
    submit,
    submit_in_parallel,
)
from tests.integration.test_simultaneous import waits_for_a_lock
from tests.portal.accounts.test_staff_powers import form_of, url_of

pytestmark = pytest.mark.django_db


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
def eve(acme: Organization) -> User:
    """A second admin, whose right ends."""
    return member("eve", acme, Role.ADMIN)


def result_of(act: Act, *, while_ending: Act) -> object:
    """What `act` returns or raises if it runs in another connection while `while_ending` has not
    committed yet.
    """
    results: list[object] = []

    def run() -> None:
        try:
            results.append(act())
        except Exception as error:  # noqa: BLE001  the result says which
            results.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        while_ending()
        thread.start()
        # Until it waits for this transaction, or decided without it.
        while thread.is_alive() and not waits_for_a_lock():
            thread.join(0.01)
    thread.join(10)
    (result,) = results
    return result


@pytest.mark.parametrize("name", ACTS)
def test_nothing_that_a_member_does_commits_after_the_removal(
    acme: Organization, alice: User, eve: User, name: str
) -> None:
    act = ACTS[name](acme, Actor.person(eve))

    result = result_of(
        act,
        while_ending=lambda: members.remove(
            organization=acme, user_id=eve.pk, actor=Actor.person(alice)
        ),
    )

    assert isinstance(result, NotFound), result
    assert not Event.objects.filter(actor=eve).exists()
    assert not AuditEntry.objects.filter(actor_id=str(eve.pk)).exists()


def _demote(acme: Organization, person: User) -> None:
    alice = Actor.person(alice_of_acme())
    members.change_role(organization=acme, user_id=person.pk, role=Role.VIEWER, actor=alice)


def _remove(acme: Organization, person: User) -> None:
    organizations.remove_member(organization=acme, user=person)


def _suspend(acme: Organization, person: User) -> None:
    changed = Organization.objects.get(pk=acme.pk)
    changed.is_active = False
    organizations.change_settings(organization=changed)


@pytest.mark.parametrize(
    ("end", "refusal"), [(_demote, NotAllowed), (_remove, NotFound), (_suspend, NotFound)]
)
def test_a_submission_is_refused_however_its_right_ends(
    acme: Organization,
    eve: User,
    end: Callable[[Organization, User], None],
    refusal: type[Exception],
) -> None:
    for prepare in (submit, submit_in_parallel):
        act = prepare(acme, Actor.person(eve))
        result = result_of(act, while_ending=lambda: end(acme, eve))
        assert isinstance(result, refusal), result
        organizations.set_role(organization=acme, user=eve, role=Role.ADMIN)
    assert not MitigationRequest.objects.exists()


def test_a_submission_is_refused_if_the_person_is_deactivated(
    acme: Organization, eve: User, mo: User, client_of: ClientOf
) -> None:
    staff = client_of(mo)

    def deactivate() -> None:
        assert staff.post(url_of(eve), form_of(eve, is_active="")).status_code == 302

    result = result_of(submit(acme, Actor.person(eve)), while_ending=deactivate)

    assert isinstance(result, NotFound), result
    assert not MitigationRequest.objects.exists()


def test_programs_cannot_submit_in_a_suspended_organization(acme: Organization) -> None:
    program = Actor.service_token(ServiceTokenFactory.create(organization=acme).pk, "Detector")

    result = result_of(submit(acme, program), while_ending=lambda: _suspend(acme, alice_of_acme()))

    assert isinstance(result, NotFound), result
    assert not MitigationRequest.objects.exists()


def _by_token(eve: User, scope: Scope = Scope.ADMIN) -> tuple[ApiToken, Actor]:
    token, _ = services_of_accounts.make_token(
        user=eve, name="script", scope=scope, days=1, networks=[]
    )
    eve.acting_token = token
    return token, Actor.person(eve)


@pytest.mark.parametrize("name", ACTS)
def test_nothing_that_a_token_does_commits_after_it_was_revoked(
    acme: Organization, eve: User, name: str
) -> None:
    token, actor = _by_token(eve)
    act = ACTS[name](acme, actor)

    result = result_of(act, while_ending=lambda: services_of_accounts.revoke_token(token=token))

    assert isinstance(result, NotSignedIn), result
    assert not Event.objects.filter(actor=eve).exists()


PROGRAMS_MAY: Final = (
    "submit", "submit in parallel", "extend", "terminate", "report efficacy", "activate a plan",
)  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
def test_a_service_token_does_only_what_programs_may_and_only_until_it_is_revoked(
    acme: Organization, name: str
) -> None:
    alice, token = Actor.person(alice_of_acme()), ServiceTokenFactory.create(organization=acme)
    if name not in PROGRAMS_MAY:
        with pytest.raises(NotAllowed):
            ACTS[name](acme, Actor.service_token(token.pk, token.name))()
        return
    act = ACTS[name](acme, Actor.service_token(token.pk, token.name))

    result = result_of(
        act,
        while_ending=lambda: service_tokens.revoke(
            organization=acme, token_id=token.pk, actor=alice
        ),
    )

    assert isinstance(result, NotSignedIn), result
    assert not Event.objects.filter(data__actor_kind="service_token").exists()


def test_a_service_token_of_a_viewer_or_another_organization_submits_nothing(
    acme: Organization, globex: Organization
) -> None:
    viewer = ServiceTokenFactory.create(organization=acme, role=Role.VIEWER)
    foreign = ServiceTokenFactory.create(organization=globex)
    refusals = []
    for token in (viewer, foreign):
        for prepare in (submit, submit_in_parallel):
            with pytest.raises((NotAllowed, NotSignedIn)) as refused:
                prepare(acme, Actor.service_token(token.pk, token.name))()
            refusals.append(type(refused.value))

    assert refusals == [NotAllowed, NotAllowed, NotSignedIn, NotSignedIn]
    assert not MitigationRequest.objects.exists()


def test_the_statement_itself_writes_nothing_with_a_revoked_token(
    acme: Organization, eve: User
) -> None:
    create_log(acme)
    submission, call = Submission(prefixes=PREFIXES), Call({}, "", None)
    own, by_token = _by_token(eve)
    _, reading = _by_token(member("frank", acme, Role.ADMIN), Scope.READ)
    program = ServiceTokenFactory.create(organization=acme)
    by_program = Actor.service_token(program.pk, program.name)
    own.delete()
    program.delete()

    for actor in (by_token, reading, by_program):
        assert submit_at_once(acme, actor, submission, call) is None
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize("end", [_demote, _remove, _suspend])
def test_the_statement_itself_writes_nothing_without_the_right(
    acme: Organization, eve: User, end: Callable[[Organization, User], None]
) -> None:
    create_log(acme)
    submission, call = Submission(prefixes=PREFIXES), Call({}, "", None)
    end(acme, eve)

    assert submit_at_once(acme, Actor.person(eve), submission, call) is None
    assert not MitigationRequest.objects.exists()
