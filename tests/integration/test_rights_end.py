"""An act whose right ends while it runs does not commit after that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connection, transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import NotAllowed, NotFound
from portal.core.targets import ReportedTargets
from portal.events.log import lock_log
from portal.events.models import Event
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.inventory.reported_mitigation import ReportedMitigation
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.services import SeenEnd
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations import audit_heads, members
from portal.organizations import services as organizations
from portal.organizations.idempotency import Call
from portal.organizations.models import Organization, ProtectedResource, ResourceKind, Role
from portal.ownership import services as ownership
from portal.ownership.states import ProofMethod
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.conftest import ClientOf
from tests.factories import ResourceFactory, member
from tests.integration.test_simultaneous import waits_for_a_lock
from tests.portal.accounts.test_staff_powers import form_of, url_of
from tests.portal.mitigations.rows import confirm, mitigations_of, report

pytestmark = pytest.mark.django_db

PREFIXES: Final = ("203.0.113.7/32",)
Act = Callable[[], object]


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


def _requested(acme: Organization, **fields: Any) -> MitigationRequest:
    """By alice, and both providers have confirmed it."""
    submission = Submission(prefixes=PREFIXES, strategy=Strategy.PARALLEL, **fields)
    alice = Actor.person(_alice())
    request = services.submit(organization=acme, actor=alice, submission=submission)
    for mitigation in mitigations_of(request):
        confirm(mitigation)
    return request


def _submit(acme: Organization, actor: Actor) -> Act:
    _create_log(acme)
    submission = Submission(prefixes=PREFIXES)
    return lambda: services.submit(organization=acme, actor=actor, submission=submission)


def _submit_in_parallel(acme: Organization, actor: Actor) -> Act:
    submission = Submission(prefixes=PREFIXES, strategy=Strategy.PARALLEL)
    return lambda: services.submit(organization=acme, actor=actor, submission=submission)


def _extend(acme: Organization, actor: Actor) -> Act:
    request = _requested(acme)
    return lambda: services.extend(request_id=request.pk, actor=actor, lifetime_s=600)


def _terminate(acme: Organization, actor: Actor) -> Act:
    request = _requested(acme)
    return lambda: services.terminate(request_id=request.pk, actor=actor)


def _withdraw_provider(acme: Organization, actor: Actor) -> Act:
    request = _requested(acme)
    mitigation = mitigations_of(request)[0]
    return lambda: services.withdraw_provider(
        request_id=request.pk, mitigation_id=mitigation.pk, actor=actor
    )


def _ask_provider(acme: Organization, actor: Actor) -> Act:
    subscription = Subscription.objects.get(priority=1)
    request = _requested(acme, subscriptions=(subscription.pk,))
    other = Subscription.objects.get(priority=2)
    return lambda: services.ask_provider(
        request_id=request.pk, actor=actor, subscription_id=other.pk
    )


def _report_efficacy(acme: Organization, actor: Actor) -> Act:
    request = _requested(acme)
    return lambda: services.report_efficacy(
        request_id=request.pk, actor=actor, attack_status="attack-successfully-mitigated"
    )


def _acknowledge(acme: Organization, actor: Actor) -> Act:
    request = _requested(acme)
    services.terminate(request_id=request.pk, actor=Actor.person(_alice()))
    for mitigation in mitigations_of(request):
        report(mitigation, Trigger.ENDED)
    request.refresh_from_db()
    seen = SeenEnd(request.pk, request.last_end_at)
    return lambda: services.acknowledge(seen, actor=actor)


def _plan(acme: Organization, actor: Actor) -> Any:
    submission = Submission(prefixes=PREFIXES, strategy=Strategy.PARALLEL)
    return standby.create_plan(organization=acme, actor=actor, name="Flood", submission=submission)


def _create_plan(acme: Organization, actor: Actor) -> Act:
    return lambda: _plan(acme, actor)


def _planned(acme: Organization) -> Any:
    return _plan(acme, Actor.person(_alice())).pk


def _activate_plan(acme: Organization, actor: Actor) -> Act:
    plan = _planned(acme)
    return lambda: standby.activate(plan_id=plan, actor=actor)


def _rename_plan(acme: Organization, actor: Actor) -> Act:
    plan = _planned(acme)
    return lambda: standby.change_plan(plan_id=plan, actor=actor, name="Ours now")


def _turn_plan_off(acme: Organization, actor: Actor) -> Act:
    plan = _planned(acme)
    return lambda: standby.turn_off(plan_id=plan, actor=actor)


def _remove_plan(acme: Organization, actor: Actor) -> Act:
    plan = _planned(acme)
    return lambda: standby.remove_plan(plan_id=plan, actor=actor)


def _drill(acme: Organization, actor: Actor) -> Act:
    return lambda: standby.start_drill(organization=acme, actor=actor)


def _unknown() -> UnknownMitigation:
    northgate = Subscription.objects.get(priority=1)
    targets = ReportedTargets(prefixes=("203.0.113.0/26",))
    inventory.record_inventory(
        subscription_id=northgate.pk,
        cuid="ours",
        unknown=[ReportedMitigation(mid=4, targets=targets, dots_status=2, lifetime_s=3600)],
        answered_mids={4},
        refusal="",
        now=timezone.now(),
    )
    return UnknownMitigation.objects.get()


def _adopt(acme: Organization, actor: Actor) -> Act:
    unknown = _unknown()
    return lambda: inventory.adopt(unknown_id=unknown.pk, actor=actor)


def _withdraw_unknown(acme: Organization, actor: Actor) -> Act:
    unknown = _unknown()
    return lambda: inventory.withdraw(unknown_id=unknown.pk, actor=actor)


def _add_resource(acme: Organization, actor: Actor) -> Act:
    return lambda: organizations.add_resource(
        organization=acme, actor=actor, name="New", kind=ResourceKind.FQDN, value="new.example"
    )


def _rename_resource(acme: Organization, actor: Actor) -> Act:
    other, person = _other_resource(acme), actor.require_person()
    return lambda: ownership.rename_resource(resource=other, actor=person, name="Renamed")


def _check_resource(acme: Organization, actor: Actor) -> Act:
    other, person = _other_resource(acme), actor.require_person()
    return lambda: ownership.ask_check(resource=other, method=ProofMethod.DNS, actor=person)


def _remove_resource(acme: Organization, actor: Actor) -> Act:
    other, person = _other_resource(acme), actor.require_person()
    return lambda: ownership.remove_resource(resource=other, actor=person)


def _other_resource(acme: Organization) -> ProtectedResource:
    return ResourceFactory.create(
        organization=acme, name="Other", kind="fqdn", value="other.example", verified_at=None
    )


def _mail_audit(acme: Organization, actor: Actor) -> Act:
    return lambda: audit_heads.set_mail(acme, "eve@elsewhere.example", actor=actor)


ACTS: Final[dict[str, Callable[[Organization, Actor], Act]]] = {
    "submit": _submit,
    "submit in parallel": _submit_in_parallel,
    "extend": _extend,
    "terminate": _terminate,
    "withdraw a provider": _withdraw_provider,
    "ask a provider": _ask_provider,
    "report efficacy": _report_efficacy,
    "acknowledge": _acknowledge,
    "create a plan": _create_plan,
    "activate a plan": _activate_plan,
    "rename a plan": _rename_plan,
    "turn a plan off": _turn_plan_off,
    "remove a plan": _remove_plan,
    "start a drill": _drill,
    "adopt": _adopt,
    "withdraw an unknown mitigation": _withdraw_unknown,
    "add a resource": _add_resource,
    "rename a resource": _rename_resource,
    "check a resource": _check_resource,
    "remove a resource": _remove_resource,
    "mail the audit": _mail_audit,
}


def _result_of(act: Act, *, while_ending: Act) -> object:
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

    result = _result_of(
        act,
        while_ending=lambda: members.remove(
            organization=acme, user_id=eve.pk, actor=Actor.person(alice)
        ),
    )

    assert isinstance(result, NotFound), result
    assert not Event.objects.filter(actor=eve).exists()
    assert not AuditEntry.objects.filter(actor_id=str(eve.pk)).exists()


def _demote(acme: Organization, person: User) -> None:
    alice = Actor.person(_alice())
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
    for prepare in (_submit, _submit_in_parallel):
        act = prepare(acme, Actor.person(eve))
        result = _result_of(act, while_ending=lambda: end(acme, eve))
        assert isinstance(result, refusal), result
        organizations.set_role(organization=acme, user=eve, role=Role.ADMIN)
    assert not MitigationRequest.objects.exists()


def test_a_submission_is_refused_if_the_person_is_deactivated(
    acme: Organization, eve: User, mo: User, client_of: ClientOf
) -> None:
    staff = client_of(mo)

    def deactivate() -> None:
        assert staff.post(url_of(eve), form_of(eve, is_active="")).status_code == 302

    result = _result_of(_submit(acme, Actor.person(eve)), while_ending=deactivate)

    assert isinstance(result, NotFound), result
    assert not MitigationRequest.objects.exists()


def test_programs_cannot_submit_in_a_suspended_organization(acme: Organization) -> None:
    program = Actor.service_token("1", "Detector")

    result = _result_of(_submit(acme, program), while_ending=lambda: _suspend(acme, _alice()))

    assert isinstance(result, NotFound), result
    assert not MitigationRequest.objects.exists()


def _alice() -> User:
    return User.objects.get(username="alice")


@pytest.mark.parametrize("end", [_demote, _remove, _suspend])
def test_the_statement_itself_writes_nothing_without_the_right(
    acme: Organization, eve: User, end: Callable[[Organization, User], None]
) -> None:
    _create_log(acme)
    submission, call = Submission(prefixes=PREFIXES), Call({}, "", None)
    end(acme, eve)

    assert submit_at_once(acme, Actor.person(eve), submission, call) is None
    assert not MitigationRequest.objects.exists()


def _create_log(acme: Organization) -> None:
    lock_log(acme.pk)
