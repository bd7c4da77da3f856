"""What members do, each act prepared: its right may end before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import ReportedTargets
from portal.events.log import lock_log
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.inventory.reported_mitigation import ReportedMitigation
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.services import SeenEnd
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations import audit_heads
from portal.organizations import services as organizations
from portal.organizations.models import Organization, ProtectedResource, ResourceKind
from portal.ownership import services as ownership
from portal.ownership.states import ProofMethod
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.factories import ResourceFactory
from tests.portal.mitigations.rows import confirm, mitigations_of, report

PREFIXES: Final = ("203.0.113.7/32",)
Act = Callable[[], object]


def _requested(acme: Organization, **fields: Any) -> MitigationRequest:
    """By alice, and both providers have confirmed it."""
    submission = Submission(prefixes=PREFIXES, strategy=Strategy.PARALLEL, **fields)
    alice = Actor.person(alice_of_acme())
    request = services.submit(organization=acme, actor=alice, submission=submission)
    for mitigation in mitigations_of(request):
        confirm(mitigation)
    return request


def submit(acme: Organization, actor: Actor) -> Act:
    create_log(acme)
    submission = Submission(prefixes=PREFIXES)
    return lambda: services.submit(organization=acme, actor=actor, submission=submission)


def submit_in_parallel(acme: Organization, actor: Actor) -> Act:
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
    services.terminate(request_id=request.pk, actor=Actor.person(alice_of_acme()))
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
    return _plan(acme, Actor.person(alice_of_acme())).pk


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
    "submit": submit,
    "submit in parallel": submit_in_parallel,
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


def alice_of_acme() -> User:
    return User.objects.get(username="alice")


def create_log(acme: Organization) -> None:
    lock_log(acme.pk)
