"""Requests that wait until a second person approves them: nothing is sent before that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound, PortalError
from portal.core.targets import Targets
from portal.events.acts import record_acts
from portal.events.models import Event, EventType
from portal.mitigations import queries, services
from portal.mitigations.approvals import approval_need
from portal.mitigations.models import (
    ApprovalOutcome,
    EndedBy,
    Mitigation,
    MitigationRequest,
)
from portal.mitigations.quota import QuotaExceeded
from portal.mitigations.services import approvals
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Submission
from portal.organizations.models import Approval, Organization
from portal.standby import services as standby
from tests.portal.mitigations.approving import (
    PREFIX,
    approve,
    expire,
    outcome,
    rule,
    status,
    submit,
)

pytestmark = pytest.mark.usefixtures("all_need_approval")


# What waits

PROGRAM = Actor(ActorKind.ALERT_SOURCE, name="flow collector")
RULES = [
    ({"approval": Approval.NEVER}, PREFIX, False, False),
    ({"approval": Approval.ALL}, "203.0.113.7/32", False, True),
    ({"approval": Approval.AUTOMATIC}, PREFIX, False, False),
    ({"approval": Approval.AUTOMATIC}, "203.0.113.7/32", True, True),
    ({"approval": Approval.LARGER, "approval_prefix_v4": 28}, PREFIX, False, True),
    ({"approval": Approval.LARGER, "approval_prefix_v4": 27}, PREFIX, False, False),
    ({"approval": Approval.LARGER, "approval_prefix_v4": 27}, PREFIX, True, False),
]


@pytest.mark.parametrize(("changed", "prefix", "is_program", "waits"), RULES)
def test_the_policy_says_which_requests_wait(
    acme: Organization,
    dana: User,
    changed: dict[str, Any],
    prefix: str,
    is_program: bool,
    waits: bool,
) -> None:
    rule(acme, **changed)

    request = submit(acme, PROGRAM if is_program else dana, prefix)

    assert request.waits_for_approval == waits
    assert request.mitigations.count() == (0 if waits else 1)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        (ActorKind.PERSON, False),
        (ActorKind.STAFF, False),
        (ActorKind.SERVICE_TOKEN, True),
        (ActorKind.ALERT_SOURCE, True),
    ],
)
def test_staff_who_act_for_an_organization_are_no_program(
    acme: Organization, kind: ActorKind, waits: bool
) -> None:
    rule(acme, approval=Approval.AUTOMATIC)

    assert bool(approval_need(acme, Actor(kind), Targets())) == waits


def test_a_request_that_waits_claims_nothing_and_counts_in_the_quota(
    acme: Organization, dana: User
) -> None:
    rule(acme, max_live_requests_per_person=1)
    request = submit(acme, dana)

    with pytest.raises(QuotaExceeded):
        submit(acme, dana, "203.0.113.40/32")

    assert queries.replaceable(acme.pk) == []
    assert [one.pk for one in queries.live_requests(acme)] == [request.pk]
    [event] = Event.objects.filter(request_id=request.pk)
    assert (event.type, event.data["status"]) == (
        EventType.REQUEST_SUBMITTED,
        RequestStatus.AWAITING_APPROVAL,
    )


def test_plans_and_drills_wait_for_no_one_but_an_activation_does(
    acme: Organization, dana: User, paul: User
) -> None:
    actor = Actor.person(dana)
    plan = standby.create_plan(
        organization=acme, actor=actor, name="Flood", submission=Submission(prefixes=(PREFIX,))
    )
    assert plan.request.mitigations.count() == 2

    activation = standby.activate(plan_id=plan.pk, actor=actor)
    assert activation.waits_for_approval
    approve(activation, paul)

    assert status(activation) == RequestStatus.REQUESTING
    assert plan.request.mitigations.filter(wanted="active").count() == 2


ACTS: list[Callable[[MitigationRequest, Actor], object]] = [
    lambda request, actor: services.extend(request_id=request.pk, actor=actor, lifetime_s=600),
    lambda request, actor: services.ask_provider(request_id=request.pk, actor=actor),
    lambda request, actor: services.report_efficacy(
        request_id=request.pk, actor=actor, attack_status="under-attack"
    ),
]


@pytest.mark.parametrize("act", ACTS, ids=["extend", "ask", "efficacy"])
def test_nothing_else_gets_it_sent(
    acme: Organization, dana: User, act: Callable[[MitigationRequest, Actor], object]
) -> None:
    request = submit(acme, dana)

    with pytest.raises(Conflict) as refused:
        act(request, Actor.person(dana))

    assert refused.value.code == "awaiting-approval"
    assert not Mitigation.objects.exists()


# Approve, decline, cancel


def test_an_approval_sends_what_was_previewed(acme: Organization, dana: User, paul: User) -> None:
    request = submit(acme, dana)

    approve(request, paul)

    request = MitigationRequest.objects.get(pk=request.pk)
    assert request.status == RequestStatus.REQUESTING
    [mitigation] = Mitigation.objects.filter(request=request)
    assert mitigation.scope == request.scope
    approval = request.approval
    assert (approval.outcome, approval.decided_by) == (ApprovalOutcome.APPROVED, paul)
    at_once = [one.subscription for one in approval.preview.messages if one.is_sent_at_once]
    assert at_once == [mitigation.subscription_id]
    # The worker finds it by its sweep, whatever became of the wake-up.
    unsent = queries.unsent_versions([mitigation.subscription_id])
    assert [one.mitigation for one in unsent] == [mitigation.pk]


@pytest.mark.parametrize(
    ("who", "refusal"),
    [("dana", NotAllowed), ("bob", NotAllowed), ("charlie", NotFound)],
)
@pytest.mark.parametrize("act", ["approve", "decline"])
def test_only_approvers_and_admins_of_the_organization_decide(
    acme: Organization,
    alice: User,
    dana: User,
    bob: User,
    charlie: User,
    who: str,
    refusal: type[PortalError],
    act: str,
) -> None:
    request = submit(acme, alice)
    actor = Actor.person({"dana": dana, "bob": bob, "charlie": charlie}[who])

    decide: dict[str, Callable[[], object]] = {
        "approve": lambda: services.approve(request_id=request.pk, actor=actor),
        "decline": lambda: services.decline(request_id=request.pk, actor=actor, reason="no"),
    }
    with pytest.raises(refusal):
        decide[act]()

    assert status(request) == RequestStatus.AWAITING_APPROVAL


def test_no_one_decides_on_their_own_request(acme: Organization, alice: User) -> None:
    request = submit(acme, alice)
    actor = Actor.person(alice)

    acts: list[Callable[[], object]] = [
        lambda: services.approve(request_id=request.pk, actor=actor),
        lambda: services.decline(request_id=request.pk, actor=actor, reason="no"),
    ]
    for act in acts:
        with pytest.raises(NotAllowed) as refused:
            act()
        assert refused.value.code == "not-your-own"
    assert not Mitigation.objects.exists()


def test_a_declined_request_is_over_and_says_why(
    acme: Organization, dana: User, paul: User
) -> None:
    request = submit(acme, dana)

    services.decline(request_id=request.pk, actor=Actor.person(paul), reason=" A drill is on. ")

    request = MitigationRequest.objects.get(pk=request.pk)
    assert (request.status, request.ended_by) == (RequestStatus.DECLINED, EndedBy.PERSON)
    assert request.ended_at is not None
    assert (request.approval.outcome, request.approval.reason) == ("declined", "A drill is on.")
    record_acts()
    entry = AuditEntry.objects.get(verb=EventType.REQUEST_DECLINED)
    assert (entry.actor_name, entry.after) == ("paul", {"reason": "A drill is on."})


@pytest.mark.parametrize(
    ("reason", "code"),
    [("", "required"), (" ", "required"), ("x" * 501, "too-long"), ("a\0b", "odd-characters")],
)
def test_a_decline_needs_a_reason(
    acme: Organization, dana: User, paul: User, reason: str, code: str
) -> None:
    request = submit(acme, dana)

    with pytest.raises(Invalid) as refused:
        services.decline(request_id=request.pk, actor=Actor.person(paul), reason=reason)

    assert [(one.field, one.code) for one in refused.value.errors] == [("reason", code)]
    assert outcome(request) == ApprovalOutcome.WAITING


def test_the_asker_cancels_it(acme: Organization, dana: User, paul: User) -> None:
    request = submit(acme, dana)

    services.terminate(request_id=request.pk, actor=Actor.person(dana))

    assert status(request) == RequestStatus.TERMINATED
    assert outcome(request) == ApprovalOutcome.CANCELED
    with pytest.raises(Conflict, match="dana canceled this"):
        approve(request, paul)
    assert not Mitigation.objects.exists()


def test_a_request_without_a_rule_needs_no_approval(
    acme: Organization, dana: User, paul: User
) -> None:
    rule(acme, approval=Approval.NEVER)
    request = submit(acme, dana)

    with pytest.raises(Conflict) as refused:
        approve(request, paul)

    assert refused.value.code == "no-approval-needed"


def test_a_second_approval_changes_nothing(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    approve(request, paul)

    with pytest.raises(Conflict, match="paul approved this"):
        approve(request, alice)

    assert Mitigation.objects.filter(request=request).count() == 1


# Expiry


def test_no_one_approves_after_the_end_of_the_wait(
    acme: Organization, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    expire(request)

    with pytest.raises(Conflict) as refused:
        approve(request, paul)

    assert refused.value.code == "approval-expired"
    assert not Mitigation.objects.exists()


def test_the_end_of_the_wait_is_a_state_an_event_and_wants_to_be_seen(
    acme: Organization, dana: User
) -> None:
    request, other = submit(acme, dana), submit(acme, dana, "203.0.113.40/32")
    expire(request)

    assert services.expire_approvals(now=timezone.now()) == 1

    request = MitigationRequest.objects.get(pk=request.pk)
    assert (request.status, request.ended_by) == (RequestStatus.EXPIRED, EndedBy.NOT_APPROVED)
    assert request.is_to_acknowledge
    assert outcome(request) == ApprovalOutcome.EXPIRED
    event = Event.objects.get(request_id=request.pk, type=EventType.REQUEST_STATUS)
    assert event.data["ended_by"] == EndedBy.NOT_APPROVED
    assert status(other) == RequestStatus.AWAITING_APPROVAL
    assert services.expire_approvals(now=timezone.now()) == 0


def test_a_sweep_ends_a_bounded_number(
    acme: Organization, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MAX_EXPIRED_AT_ONCE", 1)
    for prefix in (PREFIX, "203.0.113.40/32"):
        expire(submit(acme, dana, prefix))

    assert services.expire_approvals(now=timezone.now()) == 1
    assert services.expire_approvals(now=timezone.now()) == 1


def test_the_policy_says_how_long_a_request_waits(acme: Organization, dana: User) -> None:
    rule(acme, approval_wait_s=90)

    approval = submit(acme, dana).approval

    assert approval.expires_at - approval.asked_at == timedelta(seconds=90)
