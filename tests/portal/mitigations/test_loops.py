"""Requests that never reached a provider because gateways passed them round in a loop (5.08)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.providers.models import Provider, Subscription
from portal.providers.services import limit, limits_of, replace_certificate, set_order
from tests.portal.mitigations.conftest import Submit
from tests.portal.providers.identities import identity

GATEWAYS = "edge-1, core-2"
LONG = timedelta(days=30)


@pytest.fixture
def looped(submit: Submit, acme_northgate: Subscription) -> Mitigation:
    """Sent only to Northgate; it looped a moment ago."""
    mitigation = submit(subscriptions=(acme_northgate.pk,)).mitigations.get()
    goes_round(mitigation)
    return again(mitigation)


def goes_round(mitigation: Mitigation) -> None:
    now = timezone.now()
    services.record_sending(mitigation_id=mitigation.pk, now=now)
    services.record_refused(mitigation_id=mitigation.pk, code="5.08", reason=GATEWAYS, now=now)


def again(mitigation: Mitigation) -> Mitigation:
    return Mitigation.objects.select_related("request", "subscription").get(pk=mitigation.pk)


def asked_again(*, after: timedelta = timedelta()) -> int:
    return services.mark_due_again(now=timezone.now() + after)


@pytest.mark.rule("SC-107")
def test_a_provider_behind_a_loop_is_never_retried_automatically(looped: Mitigation) -> None:
    assert (looped.status, looped.retry_at) == ("refused", None)
    assert looped.request.status == "failing"

    assert asked_again(after=LONG) == 0
    assert again(looped).status == "refused"


def test_the_next_provider_is_asked_at_once(submit: Submit) -> None:
    request = submit()
    goes_round(request.mitigations.get())

    asked = list(request.mitigations.order_by("position"))
    assert [mitigation.status for mitigation in asked] == ["refused", "pending"]
    assert (asked[1].cause, asked[1].cause_subscription_id) == (
        "not_reached",
        asked[0].subscription_id,
    )


def test_a_refused_provider_is_retried_beside_an_unreachable_one(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)
    lost, refusing = request.mitigations.order_by("position")
    goes_round(lost)
    services.record_refused(mitigation_id=refusing.pk, code="4.03", reason="", now=timezone.now())

    assert asked_again(after=timedelta(seconds=31)) == 1
    assert (again(lost).status, again(refusing).status) == ("refused", "pending")


def test_a_person_retries_it_and_a_second_loop_waits_again(looped: Mitigation, alice: User) -> None:
    services.ask_provider(
        request_id=looped.request_id,
        actor=Actor.person(alice),
        subscription_id=looped.subscription_id,
    )
    assert (again(looped).status, again(looped).mid) == ("pending", looped.mid)

    goes_round(looped)

    assert asked_again(after=LONG) == 0


def test_a_looping_request_is_retried_once_after_the_subscription_changes(
    looped: Mitigation,
) -> None:
    set_order(subscription=looped.subscription, priority=1, enabled=True)

    assert asked_again() == 1
    assert again(looped).status == "pending"
    goes_round(looped)
    assert asked_again(after=LONG) == 0


@pytest.mark.parametrize("change", ["limits", "certificate", "provider"])
def test_any_change_of_the_connection_settings_counts(
    looped: Mitigation, change: str, northgate: Provider
) -> None:
    subscription = Subscription.objects.get(pk=looped.subscription_id)
    match change:
        case "limits":
            limit(subscription=subscription, prefixes=limits_of(["203.0.113.0/24"]))
        case "certificate":
            replace_certificate(subscription=subscription, identity=identity())
        case _:
            northgate.port = 4747
            northgate.save()

    assert asked_again() == 1


def test_a_change_before_the_request_does_not_count(
    submit: Submit, acme_northgate: Subscription
) -> None:
    set_order(subscription=acme_northgate, priority=1, enabled=True)
    goes_round(submit(subscriptions=(acme_northgate.pk,)).mitigations.get())

    assert asked_again(after=LONG) == 0


def test_a_terminated_request_is_not_retried_when_settings_change(
    looped: Mitigation, alice: User
) -> None:
    services.terminate(request_id=looped.request_id, actor=Actor.person(alice))
    set_order(subscription=looped.subscription, priority=1, enabled=True)

    assert asked_again() == 0


def test_a_request_waiting_for_a_person_is_logged(looped: Mitigation) -> None:
    event = Event.objects.get(type="request.status", request_id=looped.request_id)

    assert event.data == {"status": "failing", "previous": "requesting", "waits": True}


def test_a_looping_refresh_does_not_end_the_mitigation(looped: Mitigation) -> None:
    now = timezone.now()
    services.record_confirmed(mitigation_id=looped.pk, lifetime_s=3600, asked_at=now, now=now)

    goes_round(looped)

    assert again(looped).status == "in_progress"


def test_a_looping_withdrawal_is_retried_and_logged_once(looped: Mitigation, alice: User) -> None:
    now = timezone.now()
    services.record_confirmed(mitigation_id=looped.pk, lifetime_s=3600, asked_at=now, now=now)
    services.terminate(request_id=looped.request_id, actor=Actor.person(alice))

    for _ in range(3):
        services.record_end_in_loop(mitigation_id=looped.pk, gateways=GATEWAYS, now=now)

    mitigation = again(looped)
    assert (mitigation.status, mitigation.refusal_reason) == ("terminating", GATEWAYS)
    assert mitigation.retry_at == now + timedelta(seconds=30)
    assert Event.objects.filter(type="mitigation.refused", mitigation_id=looped.pk).count() == 2


def test_a_late_report_of_a_loop_changes_no_ended_mitigation(looped: Mitigation) -> None:
    Mitigation.objects.filter(pk=looped.pk).update(status="terminated")

    services.record_end_in_loop(mitigation_id=looped.pk, gateways="edge-9", now=timezone.now())

    assert again(looped).refusal_reason == GATEWAYS


def test_a_retry_time_of_the_request_does_not_delay_its_end(
    submit: Submit, alice: User, acme_northgate: Subscription
) -> None:
    request: MitigationRequest = submit(subscriptions=(acme_northgate.pk,))
    mitigation = request.mitigations.get()
    now = timezone.now()
    services.record_sending(mitigation_id=mitigation.pk, now=now)
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="", retry_at=now + LONG, now=now
    )

    services.terminate(request_id=request.pk, actor=Actor.person(alice))

    assert again(mitigation).retry_at is None
