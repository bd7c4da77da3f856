"""Several people decide about a request that waits for approval, at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from dots_client import compose
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound, PortalError
from portal.events.models import Event, EventType
from portal.mitigations import queries, services
from portal.mitigations.approvals import PreviewChanged
from portal.mitigations.models import Mitigation, MitigationRequest, RequestApproval
from portal.mitigations.states import RequestStatus
from portal.mitigations.validation import Submission
from portal.organizations import members
from portal.organizations.models import Organization, ProtectedResource, Role
from portal.organizations.policy import PolicyValues, change_policy
from portal.providers.models import Subscription
from portal.signaling.mapping import scope_of
from tests.factories import member
from tests.integration.test_simultaneous import together, waits_for_a_lock

pytestmark = pytest.mark.django_db
ROUNDS = 6
PREFIXES = tuple(f"203.0.113.{index * 8}/29" for index in range(ROUNDS))


@pytest.fixture(autouse=True)
def _prepared(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval="all")
    acme.refresh_from_db()


@pytest.fixture
def quinn(acme: Organization) -> User:
    return member("quinn", acme, Role.APPROVER)


def submit(acme: Organization, user: User, prefix: str = PREFIXES[0]) -> MitigationRequest:
    return services.submit(
        organization=acme,
        actor=Actor.person(user),
        submission=Submission(prefixes=(prefix,)),
    )


def approving(request: MitigationRequest, user: User) -> Callable[[], object]:
    return lambda: services.approve(request_id=request.pk, actor=Actor.person(user))


def declining(request: MitigationRequest, user: User) -> Callable[[], object]:
    return lambda: services.decline(request_id=request.pk, actor=Actor.person(user), reason="no")


def canceling(request: MitigationRequest, user: User) -> Callable[[], object]:
    return lambda: services.terminate(request_id=request.pk, actor=Actor.person(user))


def expiring(now: datetime) -> Callable[[], object]:
    return lambda: services.expire_approvals(now=now)


def decisions(request: MitigationRequest) -> list[str]:
    kinds = (EventType.REQUEST_APPROVED, EventType.REQUEST_DECLINED, EventType.REQUEST_BREAK_GLASS)
    return list(
        Event.objects.filter(request_id=request.pk, type__in=kinds).values_list("type", flat=True)
    )


def is_whole(request: MitigationRequest) -> bool:
    """Sent once and not over, or over and never sent."""
    request = MitigationRequest.objects.get(pk=request.pk)
    sent = Mitigation.objects.filter(request=request).count()
    return sent == (1 if request.status == RequestStatus.REQUESTING else 0)


def test_an_approval_and_a_decline_at_once_are_one_decision(
    acme: Organization, dana: User, paul: User, quinn: User
) -> None:
    for prefix in PREFIXES:
        request = submit(acme, dana, prefix)

        results = together(approving(request, paul), declining(request, quinn))

        [refused] = [one for one in results if isinstance(one, PortalError)]
        assert isinstance(refused, Conflict)
        assert refused.code == "already-decided"
        assert len(decisions(request)) == 1
        assert is_whole(request)


def test_two_approvals_at_once_send_it_once(
    acme: Organization, dana: User, paul: User, quinn: User
) -> None:
    for prefix in PREFIXES:
        request = submit(acme, dana, prefix)

        results = together(approving(request, paul), approving(request, quinn))

        assert sum(isinstance(one, Conflict) for one in results) == 1
        assert decisions(request) == [EventType.REQUEST_APPROVED]
        assert Mitigation.objects.filter(request=request).count() == 1


def test_a_cancel_and_an_approval_at_once_leave_nothing_half_done(
    acme: Organization, dana: User, paul: User
) -> None:
    for prefix in PREFIXES:
        request = submit(acme, dana, prefix)

        together(approving(request, paul), canceling(request, dana))

        # The cancel is never lost: what was sent before it was dropped again.
        after = MitigationRequest.objects.get(pk=request.pk)
        assert after.status == RequestStatus.TERMINATED
        assert not Mitigation.objects.filter(request=request, wanted="active").exists()


def test_the_end_of_the_wait_and_an_approval_at_once_are_one_outcome(
    acme: Organization, dana: User, paul: User
) -> None:
    for prefix in PREFIXES:
        request = submit(acme, dana, prefix)
        ends = RequestApproval.objects.get(pk=request.pk).expires_at

        together(approving(request, paul), expiring(ends))

        assert is_whole(request)
        is_expired = MitigationRequest.objects.get(pk=request.pk).status == RequestStatus.EXPIRED
        assert len(decisions(request)) == (0 if is_expired else 1)
        services.expire_approvals(now=ends + timedelta(days=1))


# What commits while a decision waits for its lock


def meanwhile(change: Callable[[], object], decide: Callable[[], object]) -> object:
    """The result of `decide`, which runs into the locks of `change` before that commits."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(decide())
        except PortalError as error:
            results.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        change()
        thread.start()
        while thread.is_alive() and not waits_for_a_lock():
            thread.join(0.01)
        assert thread.is_alive(), results
    thread.join()
    return results[0]


def test_an_approver_who_is_removed_meanwhile_approves_nothing(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)

    refused = meanwhile(
        lambda: members.remove(organization=acme, user_id=paul.pk, actor=Actor.person(alice)),
        approving(request, paul),
    )

    assert isinstance(refused, NotFound)
    assert not Mitigation.objects.exists()


def test_an_approver_who_is_demoted_meanwhile_approves_nothing(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)

    refused = meanwhile(
        lambda: members.change_role(
            organization=acme, user_id=paul.pk, role=Role.OPERATOR, actor=Actor.person(alice)
        ),
        approving(request, paul),
    )

    assert isinstance(refused, NotAllowed)
    assert not Mitigation.objects.exists()


def test_a_request_that_is_sent_meanwhile_is_shown_before_another_is_approved(
    acme: Organization, dana: User, paul: User, quinn: User
) -> None:
    first, second = submit(acme, dana), submit(acme, dana)

    changed = meanwhile(approving(first, paul), approving(second, quinn))

    assert isinstance(changed, PreviewChanged)
    assert changed.after.replaces == (first.pk,)
    assert not Mitigation.objects.filter(request=second).exists()


def test_a_policy_that_changes_meanwhile_limits_what_is_approved(
    acme: Organization, alice: User, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    values = replace(PolicyValues.of(acme), shortest_prefix_v4=32)

    refused = meanwhile(
        lambda: change_policy(organization_id=acme.pk, actor=Actor.person(alice), values=values),
        approving(request, paul),
    )

    assert isinstance(refused, Invalid)
    assert [one.code for one in refused.errors] == ["prefix-too-large"]


def test_a_policy_that_changes_meanwhile_makes_a_later_submission_wait(
    acme: Organization, alice: User, dana: User
) -> None:
    Organization.objects.filter(pk=acme.pk).update(approval="never")
    stale = Organization.objects.get(pk=acme.pk)
    submit(stale, dana, PREFIXES[1])
    values = replace(PolicyValues.of(stale), approval="all")
    change_policy(organization_id=acme.pk, actor=Actor.person(alice), values=values)

    assert submit(stale, dana).waits_for_approval


# The wire


def test_a_worker_finds_what_was_approved_without_a_wake_up(
    acme: Organization, dana: User, paul: User
) -> None:
    """It died between the approval and the sending: the next one sweeps."""
    request = submit(acme, dana)
    approving(request, paul)()

    mitigation = Mitigation.objects.select_related("request", "subscription").get()

    found = queries.unsent_versions([mitigation.subscription_id])
    assert [one.mitigation for one in found] == [mitigation.pk]


def test_the_worker_composes_the_bytes_that_were_approved(
    acme: Organization, dana: User, paul: User
) -> None:
    request = submit(acme, dana)
    approving(request, paul)()

    [live] = queries.live_mitigations([Mitigation.objects.get().subscription_id])
    composed = compose(scope_of(live, lifetime_s=live.lifetime_s), cuid="ours", mid=live.mid)

    [approved] = [
        one
        for one in RequestApproval.objects.get(pk=request.pk).preview.messages
        if one.is_sent_at_once
    ]
    assert composed.payload.hex() == approved.body
    assert approved.subscription == live.subscription_id


def test_the_clock_decides_even_if_no_task_ran(acme: Organization, dana: User, paul: User) -> None:
    request = submit(acme, dana)
    RequestApproval.objects.filter(pk=request.pk).update(expires_at=timezone.now())

    results = together(approving(request, paul))

    assert isinstance(results[0], Conflict)
    assert results[0].code == "approval-expired"
