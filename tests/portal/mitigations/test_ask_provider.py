from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Strategy
from portal.providers.models import Provider, Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import NOW, mitigations_of, names, refuse, sent, status_of


def test_a_person_can_ask_the_next_provider_in_order(submit: Submit, dana: User) -> None:
    request = submit()

    services.ask_provider(request_id=request.pk, actor=Actor.person(dana))

    first, second = request.mitigations.all()
    assert names(request) == ["Northgate", "Tidewall"]
    assert (first.asked_by, second.asked_by, second.cause) == (None, dana, "by_hand")
    assert second.scope == request.scope
    event = Event.objects.get(type="mitigation.asked")
    assert (event.actor, event.mitigation_id) == (dana, second.pk)


def test_a_chosen_provider_is_asked_out_of_turn_and_keeps_its_place(
    submit: Submit, dana: User, acme_harbour: Subscription
) -> None:
    request = submit()

    services.ask_provider(
        request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_harbour.pk
    )
    services.ask_provider(request_id=request.pk, actor=Actor.person(dana))

    assert names(request) == ["Northgate", "Tidewall", "Harbour"]
    assert [mitigation.position for mitigation in request.mitigations.all()] == [0, 1, 2]


def test_asking_twice_sends_one_request(
    submit: Submit, dana: User, acme_tidewall: Subscription
) -> None:
    request = submit()

    for _ in range(2):
        services.ask_provider(
            request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
        )

    assert len(mitigations_of(request)) == 2
    assert Event.objects.filter(type="mitigation.asked").count() == 1


def test_a_person_can_ask_a_provider_that_the_request_did_not_choose(
    submit: Submit, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    request = submit(subscriptions=(acme_northgate.pk,))

    services.ask_provider(
        request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
    )

    request.refresh_from_db()
    assert request.subscriptions == (acme_northgate.pk, acme_tidewall.pk)
    assert names(request) == ["Northgate", "Tidewall"]


def test_a_provider_that_joins_late_gets_a_lifetime_within_its_limit(
    submit: Submit, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    request = submit(subscriptions=(acme_northgate.pk,), lifetime_s=-1)
    Provider.objects.filter(short_name="Tidewall").update(
        may_be_indefinite=False, max_lifetime_s=7200
    )

    services.ask_provider(
        request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_tidewall.pk
    )

    assert [mitigation.lifetime_s for mitigation in mitigations_of(request)] == [-1, 7200]


@pytest.mark.parametrize("reason", ["another tenant's", "disabled", "limited"])
def test_a_provider_the_policy_excludes_is_not_asked(
    submit: Submit,
    dana: User,
    acme_tidewall: Subscription,
    globex_northgate: Subscription,
    reason: str,
) -> None:
    request = submit()
    chosen = globex_northgate if reason == "another tenant's" else acme_tidewall
    Subscription.objects.filter(pk=chosen.pk).update(
        enabled=reason != "disabled", limited_to=["2001:db8::/32"] if reason == "limited" else []
    )

    with pytest.raises((Invalid, Conflict)) as caught:
        services.ask_provider(
            request_id=request.pk, actor=Actor.person(dana), subscription_id=chosen.pk
        )

    assert len(mitigations_of(request)) == 1
    if reason == "limited":
        assert str(caught.value) == ("Tidewall may protect only 2001:db8::/32. It was not asked.")


def test_asking_the_next_provider_is_a_conflict_when_all_were_asked(
    submit: Submit, dana: User
) -> None:
    request = submit(Strategy.PARALLEL)

    with pytest.raises(Conflict, match="Every provider of this request has been asked"):
        services.ask_provider(request_id=request.pk, actor=Actor.person(dana))


def test_no_provider_can_be_asked_for_a_terminated_request(submit: Submit, dana: User) -> None:
    request = submit()
    sent(mitigations_of(request)[0])
    services.terminate(request_id=request.pk, actor=Actor.person(dana))

    with pytest.raises(Conflict, match="dana terminated this"):
        services.ask_provider(request_id=request.pk, actor=Actor.person(dana))


def test_a_person_can_retry_a_provider_during_the_portals_backoff(
    submit: Submit, dana: User
) -> None:
    request = submit(Strategy.PARALLEL)
    for mitigation in mitigations_of(request):
        refuse(mitigation)
    assert status_of(request) == "failing"

    services.ask_provider(request_id=request.pk, actor=Actor.person(dana))

    first, second = request.mitigations.all()
    assert (first.status, first.retry_at, first.asked_by) == ("pending", None, dana)
    assert second.status == "refused"
    assert first.mid == mitigations_of(request)[0].mid


@pytest.mark.rule("SC-046")
def test_a_person_cannot_ask_a_provider_before_the_time_it_named(
    submit: Submit, dana: User, acme_northgate: Subscription
) -> None:
    request = submit()
    refuse(mitigations_of(request)[0], retry_after_s=1800)

    with pytest.raises(Conflict, match="Northgate asked the portal not to retry before"):
        services.ask_provider(
            request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_northgate.pk
        )


@pytest.mark.rule("SC-046")
def test_a_person_cannot_ask_a_busy_provider_before_the_time_it_named(
    submit: Submit, dana: User, acme_northgate: Subscription
) -> None:
    request = submit()
    again_at = timezone.now() + timedelta(seconds=60)
    services.record_unavailable(
        mitigation_id=mitigations_of(request)[0].pk,
        code="5.03",
        reason="",
        retry_at=again_at,
        now=NOW,
    )

    with pytest.raises(Conflict, match=f"{again_at:%H:%M:%S} UTC"):
        services.ask_provider(
            request_id=request.pk, actor=Actor.person(dana), subscription_id=acme_northgate.pk
        )
