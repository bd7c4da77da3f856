from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.mitigations.validation.lifetimes import DEFAULT_LIFETIME_S
from portal.providers.models import Subscription
from tests.portal.ends import end_of
from tests.portal.mitigations.conftest import Submit

pytestmark = pytest.mark.sqlite


def sent(request: MitigationRequest) -> MitigationRequest:
    mitigation = request.mitigations.get()
    services.record_sending(mitigation_id=mitigation.pk, now=timezone.now())
    return request


def confirmed(request: MitigationRequest) -> MitigationRequest:
    sent(request)
    now = timezone.now()
    mitigation = request.mitigations.get()
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=now, now=now)
    return request


def test_an_unsent_request_is_terminated_immediately(submit: Submit, alice: User) -> None:
    request = services.terminate(request_id=submit().pk, actor=Actor.person(alice))

    assert request.status == "terminated"
    assert request.mitigations.get().status == "terminated"


def test_a_possibly_sent_request_gets_a_withdrawal(submit: Submit, alice: User) -> None:
    request = services.terminate(request_id=sent(submit()).pk, actor=Actor.person(alice))

    mitigation = request.mitigations.get()
    assert (request.status, mitigation.status, mitigation.wanted) == (
        "terminating",
        "terminating",
        "withdrawn",
    )


def test_nothing_is_sent_after_a_termination(submit: Submit, alice: User) -> None:
    request = submit()
    services.terminate(request_id=request.pk, actor=Actor.person(alice))

    mitigation = request.mitigations.get()
    assert not services.record_sending(mitigation_id=mitigation.pk, now=timezone.now())


def test_repeated_or_simultaneous_terminations_are_one(
    submit: Submit, alice: User, dana: User
) -> None:
    request = sent(submit())

    services.terminate(request_id=request.pk, actor=Actor.person(alice))
    again = services.terminate(request_id=request.pk, actor=Actor.person(dana))

    assert again.terminate_asked_by == alice
    assert Event.objects.filter(type="request.terminate_requested").count() == 1


def test_status_6_ends_it_and_a_person_can_acknowledge_it(submit: Submit, alice: User) -> None:
    request = services.terminate(request_id=confirmed(submit()).pk, actor=Actor.person(alice))
    mitigation = request.mitigations.get()
    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=timezone.now())
    services.record_report(
        mitigation_id=mitigation.pk,
        report=services.ProviderReport(dots_status=6, trigger=Trigger.ENDED),
        now=timezone.now(),
    )

    request = services.acknowledge(end_of(request), actor=Actor.person(alice))

    assert request.status == "terminated"
    assert request.acknowledged_by == alice
    services.acknowledge(end_of(request), actor=Actor.person(alice))
    assert Event.objects.filter(type="request.acknowledged").count() == 1


def test_a_request_that_has_not_ended_cannot_be_acknowledged(submit: Submit, alice: User) -> None:
    with pytest.raises(Conflict):
        services.acknowledge(end_of(submit()), actor=Actor.person(alice))


def test_extending_asks_for_a_refresh(submit: Submit, alice: User) -> None:
    request = confirmed(submit())

    services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=7200)

    mitigation = request.mitigations.get()
    assert mitigation.lifetime_s == 7200
    assert mitigation.refresh_asked_at is not None


def test_an_extension_beyond_the_policy_is_refused_at_the_field(
    submit: Submit, alice: User
) -> None:
    with pytest.raises(Invalid) as caught:
        services.extend(request_id=submit().pk, actor=Actor.person(alice), lifetime_s=10**12)

    assert [error.field for error in caught.value.errors] == ["lifetime"]


def limited(subscription: Subscription, **limits: object) -> None:
    for name, value in limits.items():
        setattr(subscription.provider, name, value)
    subscription.provider.save(update_fields=list(limits))


@pytest.mark.parametrize(
    ("asked", "limits", "gets"),
    [
        (14400, {"max_lifetime_s": 7200}, 7200),
        (3600, {"max_lifetime_s": 7200}, 3600),
        (-1, {"max_lifetime_s": 7200, "may_be_indefinite": False}, 7200),
        (-1, {"may_be_indefinite": False}, DEFAULT_LIFETIME_S),
    ],
)
def test_an_extension_asks_each_provider_for_the_lifetime_it_grants(
    submit: Submit,
    alice: User,
    acme_tidewall: Subscription,
    asked: int,
    limits: dict[str, object],
    gets: int,
) -> None:
    request = submit(strategy=Strategy.PARALLEL)
    limited(acme_tidewall, **limits)

    services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=asked)

    request.refresh_from_db()
    assert request.lifetime_s == asked
    assert [mitigation.lifetime_s for mitigation in request.mitigations.order_by("position")] == [
        asked,
        gets,
    ]


def test_a_retry_after_an_extension_asks_for_the_new_lifetime(submit: Submit, alice: User) -> None:
    request = sent(submit())
    mitigation = request.mitigations.get()
    now = timezone.now()
    services.record_refused(mitigation_id=mitigation.pk, code="4.00", reason="no", now=now)

    services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=14400)

    mitigation.refresh_from_db()
    assert (mitigation.status, mitigation.lifetime_s) == ("refused", 14400)


def test_an_ending_request_cannot_be_extended_and_the_error_names_who_ended_it(
    submit: Submit, alice: User, dana: User
) -> None:
    request = services.terminate(request_id=sent(submit()).pk, actor=Actor.person(alice))

    with pytest.raises(Conflict, match="alice terminated this at"):
        services.extend(request_id=request.pk, actor=Actor.person(dana), lifetime_s=3600)


def test_every_door_says_that_the_portal_ended_the_request(
    submit: Submit, alice: User, acme_tidewall: Subscription
) -> None:
    request = services.terminate(request_id=confirmed(submit()).pk, actor=Actor.portal())
    assert request.status == "terminating"

    doors: list[Callable[[], object]] = [
        lambda: services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=7200),
        lambda: services.ask_provider(
            request_id=request.pk, actor=Actor.person(alice), subscription_id=acme_tidewall.pk
        ),
        lambda: services.report_efficacy(
            request_id=request.pk, actor=Actor.person(alice), attack_status="under-attack"
        ),
    ]
    for door in doors:
        with pytest.raises(Conflict, match="The portal terminated this at") as caught:
            door()
        assert caught.value.code == "terminated"
    mitigation = request.mitigations.get()
    assert (mitigation.wanted, mitigation.lifetime_s, mitigation.efficacy) == (
        "withdrawn",
        request.lifetime_s,
        None,
    )


def test_an_efficacy_update_is_sent_to_the_providers_that_confirmed(
    submit: Submit, alice: User
) -> None:
    request = confirmed(submit())

    services.report_efficacy(
        request_id=request.pk, actor=Actor.person(alice), attack_status="under-attack"
    )

    mitigation = request.mitigations.get()
    assert mitigation.efficacy == 1
    assert mitigation.efficacy_asked_at is not None
    assert Event.objects.get(type="mitigation.efficacy").data["attack_status"] == "under-attack"


def test_an_efficacy_update_needs_a_provider_that_confirmed(submit: Submit, alice: User) -> None:
    with pytest.raises(Conflict):
        services.report_efficacy(
            request_id=submit().pk, actor=Actor.person(alice), attack_status="under-attack"
        )


def test_an_unknown_attack_status_is_refused_at_the_field(submit: Submit, alice: User) -> None:
    with pytest.raises(Invalid) as caught:
        services.report_efficacy(
            request_id=submit().pk, actor=Actor.person(alice), attack_status="fine"
        )

    assert [error.field for error in caught.value.errors] == ["attack_status"]
