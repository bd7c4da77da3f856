"""What changed between a request and its approval, and requests that do not wait for one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.events.acts import record_acts
from portal.events.models import EventType
from portal.mitigations import services
from portal.mitigations.approvals import PreviewChanged, digest_of
from portal.mitigations.models import (
    ApprovalOutcome,
    Mitigation,
    MitigationRequest,
    RequestApproval,
)
from portal.mitigations.states import RequestStatus
from portal.organizations import members
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.organizations.policy import PolicyValues, change_policy
from portal.providers.models import Provider, Subscription
from tests.portal.mitigations.approving import approve, status, submit

pytestmark = pytest.mark.usefixtures("all_need_approval")


# What changed meanwhile


def test_a_changed_provider_limit_is_shown_before_it_is_approved(
    acme: Organization, dana: User, paul: User, acme_northgate: Subscription
) -> None:
    request = submit(acme, dana, lifetime_s=7200)
    Provider.objects.filter(subscriptions=acme_northgate).update(max_lifetime_s=600)
    # The check refuses a lifetime that a provider does not grant, as it does in a submission.
    with pytest.raises(Invalid):
        approve(request, paul)
    Provider.objects.filter(subscriptions=acme_northgate).update(max_lifetime_s=None)
    Subscription.objects.filter(pk=acme_northgate.pk).update(enabled=False)

    with pytest.raises(PreviewChanged) as changed:
        approve(request, paul)
    assert not Mitigation.objects.exists()
    assert any("Northgate" in line for line in changed.value.before.lines)
    assert not any("Northgate" in line for line in changed.value.after.lines)
    approve(request, paul, seen=digest_of(changed.value.after))

    [mitigation] = Mitigation.objects.filter(request=request)
    assert mitigation.subscription_id != acme_northgate.pk
    assert RequestApproval.objects.get(pk=request.pk).preview == changed.value.after


def test_a_request_that_became_live_meanwhile_is_part_of_the_preview(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    other = submit(acme, alice, "203.0.113.0/28")
    approve(other, paul)

    with pytest.raises(PreviewChanged) as changed:
        approve(request, paul)
    assert changed.value.after.replaces == (other.pk,)
    approve(request, paul, seen=str(changed.value.members["preview"]))

    assert MitigationRequest.objects.get(pk=request.pk).replaces == (other.pk,)


def test_limits_of_the_policy_count_when_it_is_sent(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana, lifetime_s=7200)
    values = replace(
        PolicyValues.of(acme), max_lifetime_s=3600, default_lifetime_s=3600, approval="never"
    )
    change_policy(organization_id=acme.pk, actor=Actor.person(alice), values=values)

    with pytest.raises(Invalid) as refused:
        approve(request, paul)

    assert [one.field for one in refused.value.errors] == ["lifetime"]
    assert status(request) == RequestStatus.AWAITING_APPROVAL


def test_a_resource_that_lost_its_verification_is_not_sent(
    acme: Organization, dana: User, paul: User, shop: ProtectedResource
) -> None:
    request = submit(acme, dana)
    ProtectedResource.objects.filter(pk=shop.pk).update(verified_at=None)

    with pytest.raises(Invalid):
        approve(request, paul)

    assert not Mitigation.objects.exists()


def test_an_approver_who_lost_the_role_approves_nothing(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    members.change_role(
        organization=acme, user_id=paul.pk, role=Role.OPERATOR, actor=Actor.person(alice)
    )

    with pytest.raises(NotAllowed):
        approve(request, paul)


def test_a_provider_outside_of_the_approval_is_not_asked(
    acme: Organization, dana: User, paul: User, acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:  # fmt: skip
    request = submit(acme, dana, subscriptions=(acme_northgate.pk,))
    approve(request, paul)

    with pytest.raises(Conflict) as refused:
        services.ask_provider(
            request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
        )

    assert refused.value.code == "not-approved"


# Break glass


def test_break_glass_sends_at_once_and_stays_visible(
    acme: Organization, alice: User, dana: User
) -> None:
    request = submit(acme, dana)

    services.break_glass(
        request_id=request.pk, actor=Actor.person(dana), reason="No approver answers the phone."
    )

    request = MitigationRequest.objects.get(pk=request.pk)
    assert request.status == RequestStatus.REQUESTING
    assert Mitigation.objects.filter(request=request).count() == 1
    approval = request.approval
    assert (approval.outcome, approval.decided_by) == (ApprovalOutcome.BREAK_GLASS, dana)
    assert approval.reason == "No approver answers the phone."
    record_acts()
    assert AuditEntry.objects.get(verb=EventType.REQUEST_BREAK_GLASS).actor_name == "dana"


def test_break_glass_needs_a_reason_and_the_role_of_an_operator(
    acme: Organization, dana: User, bob: User, charlie: User
) -> None:
    request = submit(acme, dana)

    with pytest.raises(Invalid) as refused:
        services.break_glass(request_id=request.pk, actor=Actor.person(dana), reason=" 123456789 ")
    for user, refusal in ((bob, NotAllowed), (charlie, NotFound)):
        with pytest.raises(refusal):
            services.break_glass(
                request_id=request.pk, actor=Actor.person(user), reason="a long reason"
            )

    assert refused.value.errors[0].code == "too-short"
    assert not Mitigation.objects.exists()
