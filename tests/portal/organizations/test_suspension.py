"""A suspended organization asks for nothing new, and keeps what it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.events.acts import record_acts
from portal.events.models import Event, EventType
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.validation import Submission
from portal.organizations import idempotency, suspension
from portal.organizations.models import Approval, Organization, ProtectedResource, ResultKind
from portal.organizations.services import change_settings
from portal.organizations.suspension import OrganizationSuspended
from portal.providers.models import Subscription
from portal.standby import services as standby
from tests.conftest import ApiOf, ClientOf
from tests.factories import UserFactory
from tests.portal.inventory.conftest import reported
from tests.portal.mitigations.rows import confirm, mitigations_of
from tests.portal.organizations.mails import mails_to

REASON = "The invoices of three months are unpaid"
SUBMISSION = Submission(prefixes=("203.0.113.7/32",))


@pytest.fixture(autouse=True)
def _prepared(shop: ProtectedResource, acme_northgate: Subscription) -> None:
    """Acme can request mitigation."""


@pytest.fixture
def by_dana(dana: User) -> Actor:
    return Actor.person(dana)


def suspend(mo: User) -> Organization:
    return suspension.suspend(slug="acme", actor=Actor.person(mo), reason=REASON)


def _submit(acme: Organization, actor: Actor) -> object:
    return services.submit(organization=acme, actor=actor, submission=SUBMISSION)


def _submit_in_steps(acme: Organization, actor: Actor) -> object:
    asked = Submission(prefixes=("203.0.113.7/32",), strategy=Strategy.PARALLEL)
    return services.submit(organization=acme, actor=actor, submission=asked, key="1")


def _create_plan(acme: Organization, actor: Actor) -> object:
    return standby.create_plan(organization=acme, actor=actor, name="Flood", submission=SUBMISSION)


def _drill(acme: Organization, actor: Actor) -> object:
    return standby.start_drill(organization=acme, actor=actor)


def _adopt(acme: Organization, actor: Actor) -> object:
    inventory.record_inventory(
        subscription_id=Subscription.objects.get().pk, cuid="ours",
        unknown=[reported(41, "203.0.113.24/29")], answered_mids=[], refusal="",
        now=timezone.now(),
    )  # fmt: skip
    return inventory.adopt(unknown_id=UnknownMitigation.objects.get().pk, actor=actor)


@pytest.mark.parametrize("act", [_submit, _submit_in_steps, _create_plan, _drill, _adopt])
def test_nothing_new_is_asked(
    mo: User, by_dana: Actor, act: Callable[[Organization, Actor], object]
) -> None:
    acme = suspend(mo)

    with pytest.raises(OrganizationSuspended) as refusal:
        act(acme, by_dana)

    assert refusal.value.code == "organization-suspended"
    assert REASON in refusal.value.message
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize("decision", ["approve", "break glass"])
def test_a_request_that_waits_for_approval_is_not_sent(
    acme: Organization, mo: User, by_dana: Actor, alice: User, decision: str
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval=Approval.ALL)
    acme.refresh_from_db()
    request = services.submit(organization=acme, actor=by_dana, submission=SUBMISSION)
    suspend(mo)
    by_alice, reason = Actor.person(alice), "No approver answers the phone"
    decisions: dict[str, Callable[[], object]] = {
        "approve": lambda: services.approve(request_id=request.pk, actor=by_alice),
        "break glass": lambda: services.break_glass(
            request_id=request.pk, actor=by_dana, reason=reason
        ),
    }

    with pytest.raises(OrganizationSuspended):
        decisions[decision]()

    request.refresh_from_db()
    assert (request.status, request.mitigations.count()) == ("awaiting_approval", 0)
    services.decline(request_id=request.pk, actor=by_alice, reason="We are suspended")
    request.refresh_from_db()
    assert request.status == "declined"


def test_a_request_that_waits_can_be_approved_once_the_suspension_is_lifted(
    acme: Organization, mo: User, by_dana: Actor, alice: User
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval=Approval.ALL)
    acme.refresh_from_db()
    request = services.submit(organization=acme, actor=by_dana, submission=SUBMISSION)
    suspend(mo)
    suspension.lift(slug="acme", actor=Actor.person(mo))

    services.approve(request_id=request.pk, actor=Actor.person(alice))

    request.refresh_from_db()
    assert (request.status, request.mitigations.count()) == ("requesting", 1)


def test_a_row_that_was_read_before_the_suspension_does_not_help(
    acme: Organization, mo: User, by_dana: Actor
) -> None:
    call = idempotency.call_of(acme, by_dana, ResultKind.REQUEST, "", {})
    suspend(mo)

    assert acme.suspended_at is None, "as a request that began before has it"
    assert submit_at_once(acme, by_dana, SUBMISSION, call) is None
    with pytest.raises(OrganizationSuspended):
        _submit(acme, by_dana)


def test_live_requests_continue_and_can_be_ended(
    acme: Organization, mo: User, by_dana: Actor, acme_tidewall: Subscription
) -> None:
    request = services.submit(organization=acme, actor=by_dana, submission=SUBMISSION)
    [mitigation] = mitigations_of(request)
    confirm(mitigation)
    suspend(mo)

    with pytest.raises(OrganizationSuspended):
        services.extend(request_id=request.pk, actor=by_dana, lifetime_s=600)
    services.ask_provider(request_id=request.pk, actor=by_dana, subscription_id=acme_tidewall.pk)
    services.withdraw_provider(request_id=request.pk, mitigation_id=mitigation.pk, actor=by_dana)
    ended = services.terminate(request_id=request.pk, actor=by_dana)

    assert ended.terminate_asked_at


def test_a_plan_stays_and_cannot_be_activated_or_renewed(
    acme: Organization, mo: User, by_dana: Actor
) -> None:
    plan = standby.create_plan(
        organization=acme, actor=by_dana, name="Flood", submission=SUBMISSION
    )
    off = standby.create_plan(
        organization=acme, actor=by_dana, name="Other",
        submission=Submission(prefixes=("203.0.113.9/32",)),
    )  # fmt: skip
    standby.turn_off(plan_id=off.pk, actor=by_dana)
    suspend(mo)

    for act in (
        lambda: standby.activate(plan_id=plan.pk, actor=by_dana),
        lambda: standby.turn_on(plan_id=off.pk, actor=by_dana),
        lambda: standby.change_plan(
            plan_id=plan.pk, actor=by_dana, submission=Submission(prefixes=("203.0.113.8/32",))
        ),
    ):
        with pytest.raises(OrganizationSuspended):
            act()
    plan.refresh_from_db()
    assert plan.is_on
    assert standby.remove_plan(plan_id=plan.pk, actor=by_dana) is None


def test_it_is_recorded_mailed_and_lifted(
    acme: Organization, mo: User, alice: User, by_dana: Actor
) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    suspend(mo)
    with pytest.raises(Conflict) as again:
        suspend(mo)
    suspension.lift(slug="acme", actor=Actor.person(mo))
    with pytest.raises(Conflict) as lifted:
        suspension.lift(slug="acme", actor=Actor.person(mo))

    _submit(acme, by_dana)
    record_acts()

    assert (again.value.code, lifted.value.code) == ("suspended-already", "not-suspended")
    told, lifted_told = mails_to("alice@example.com")
    assert REASON in told
    assert "no longer suspended" in lifted_told
    suspended, resumed = AuditEntry.objects.filter(verb__startswith="organization.").order_by("pk")
    assert suspended.verb == EventType.ORGANIZATION_SUSPENDED
    assert (suspended.actor_name, suspended.is_by_staff) == ("mo", True)
    assert suspended.after == {"reason": REASON}
    assert resumed.verb == EventType.ORGANIZATION_RESUMED
    event = Event.objects.get(type=EventType.ORGANIZATION_SUSPENDED)
    assert event.data == {"by": "staff", "reason": REASON}


@pytest.mark.parametrize("reason", ["", "too short", "x" * 501, "a null \0 in the reason"])
def test_it_needs_a_reason(mo: User, reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        suspension.suspend(slug="acme", actor=Actor.person(mo), reason=reason)

    assert [one.field for one in refusal.value.errors] == ["reason"]


def test_only_staff_who_may_change_organizations_suspend(alice: User, charlie: User) -> None:
    clerk = UserFactory.create(username="clerk", is_staff=True)

    for person in (alice, charlie, clerk):
        with pytest.raises(NotAllowed):
            suspension.suspend(slug="acme", actor=Actor.person(person), reason=REASON)
        with pytest.raises(NotAllowed):
            suspension.lift(slug="acme", actor=Actor.person(person))


def test_an_unknown_organization_is_not_found(mo: User) -> None:
    with pytest.raises(NotFound):
        suspension.suspend(slug="no-such", actor=Actor.person(mo), reason=REASON)


def test_settings_that_were_read_before_do_not_lift_it(acme: Organization, mo: User) -> None:
    suspend(mo)
    acme.patience_s = 33
    change_settings(organization=acme, actor=mo)

    acme.refresh_from_db()
    assert (acme.patience_s, acme.suspended_at is None) == (33, False)


def test_pages_say_so_and_refuse(
    mo: User, alice: User, dana: User, client_of: ClientOf, charlie: User
) -> None:
    staff, page = client_of(mo), "/portal/organizations/acme/"
    short = staff.post(f"{page}suspend", {"reason": "short"})
    assert (short.status_code, "Say why in" in short.content.decode()) == (400, True)
    assert staff.post(f"{page}suspend", {"reason": REASON}).status_code == 302
    browser: Any = client_of(dana)

    assert REASON in browser.get("/organizations/acme/").content.decode()
    form = {"other": "203.0.113.8/32", "targets": "203.0.113.8/32"}
    sent = browser.post("/organizations/acme/requests/new", form)
    assert sent.status_code == 409
    assert "203.0.113.8/32" in sent.content.decode(), "what was typed is kept"
    assert REASON not in client_of(charlie).get("/organizations/globex/").content.decode()
    assert staff.post(f"{page}lift").status_code == 302
    assert REASON not in browser.get("/organizations/acme/").content.decode()


def test_programs_get_the_code(mo: User, dana: User, api_of: ApiOf) -> None:
    staff, path = api_of(mo), "/api/v1/organizations/acme/suspension"
    suspended = staff.post(path, {"reason": REASON}, format="json")
    assert (suspended.status_code, suspended.json()["reason"]) == (201, REASON)
    body = {"targets": {"prefixes": ["203.0.113.8/32"]}}

    sent = api_of(dana).post("/api/v1/organizations/acme/mitigation-requests", body, format="json")

    assert (sent.status_code, sent.json()["code"]) == (409, "organization-suspended")
    assert staff.delete(path).status_code == 204
