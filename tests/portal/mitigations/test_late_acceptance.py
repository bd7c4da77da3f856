from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.states import Trigger
from portal.organizations.models import LateAcceptance, Organization
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of, report, sent, status_of


@pytest.fixture
def late(submit: Submit, acme: Organization) -> MitigationRequest:
    """Northgate was silent, Tidewall was asked and filters, and now Northgate accepts."""
    acme.late_acceptance = LateAcceptance.WITHDRAW_LATER
    acme.save()
    request = submit()
    first = mitigations_of(request)[0]
    sent(first)
    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))
    second = mitigations_of(request)[1]
    confirm(second)
    report(second, Trigger.FILTERING)
    confirm(first)
    return request


def test_an_acceptance_alone_withdraws_no_provider(late: MitigationRequest) -> None:
    assert [mitigation.status for mitigation in mitigations_of(late)] == [
        "in_progress",
        "mitigating",
    ]
    assert [mitigation.wanted for mitigation in mitigations_of(late)] == ["active", "active"]


def test_the_later_provider_is_withdrawn_in_the_transaction_in_which_the_earlier_one_filters(
    late: MitigationRequest,
) -> None:
    report(mitigations_of(late)[0], Trigger.FILTERING)

    first, second = mitigations_of(late)
    assert (first.status, second.status, second.wanted) == (
        "mitigating",
        "terminating",
        "withdrawn",
    )
    assert (second.withdrawn_cause, second.withdrawn_for) == (
        "earlier_filters",
        (first.subscription_id,),
    )
    assert status_of(late) == "mitigating"
    event = Event.objects.get(type="mitigation.withdraw_requested")
    assert (event.actor, event.mitigation_id) == (None, second.pk)
    assert event.data == {
        "cause": "earlier_filters",
        "subscriptions": [str(first.subscription_id)],
    }


def test_every_later_provider_is_withdrawn(
    submit: Submit, acme: Organization, acme_harbour: Subscription
) -> None:
    acme.late_acceptance = LateAcceptance.WITHDRAW_LATER
    acme.save()
    request = submit()
    for silent_s in (60, 120):
        services.mark_overdue(now=timezone.now() + timedelta(seconds=silent_s))
    first, second, third = mitigations_of(request)
    for later in (second, third):
        confirm(later)

    confirm(first)
    report(first, Trigger.FILTERING)

    assert [one.wanted for one in mitigations_of(request)] == ["active", "withdrawn", "withdrawn"]


def test_a_provider_withdrawn_by_policy_is_asked_again_once_and_stays(
    late: MitigationRequest,
) -> None:
    first = mitigations_of(late)[0]
    report(first, Trigger.FILTERING)
    report(first, Trigger.CAPACITY_EXCEEDED)

    third = late.mitigations.get(wanted="active", cause="exceeded")
    confirm(third)
    report(first, Trigger.FILTERING)
    third.refresh_from_db()
    assert third.wanted == "active"


def test_policy_never_withdraws_a_provider_that_a_person_asked(
    submit: Submit, acme: Organization, dana: User
) -> None:
    acme.late_acceptance = LateAcceptance.WITHDRAW_LATER
    acme.save()
    request = submit()
    services.ask_provider(request_id=request.pk, actor=Actor.person(dana))
    first, second = mitigations_of(request)
    for mitigation in (second, first):
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)

    assert [mitigation.wanted for mitigation in mitigations_of(request)] == ["active", "active"]


def test_both_providers_stay_without_that_policy(submit: Submit) -> None:
    request = submit()
    first = mitigations_of(request)[0]
    sent(first)
    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))
    second = mitigations_of(request)[1]
    for mitigation in (second, first):
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)

    assert [mitigation.wanted for mitigation in mitigations_of(request)] == ["active", "active"]
