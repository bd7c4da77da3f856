"""A request without renewal: the portal asks its providers for the remaining lifetime, and for
nothing after it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.providers.models import Subscription
from portal.signaling.actions.next_action import lifetime_to_ask
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import (
    NOW,
    confirm,
    mitigations_of,
    refuse,
    report,
    status_of,
)

HALF = NOW + timedelta(minutes=30)
END = NOW + timedelta(hours=1)


@pytest.fixture
def request_(submit: Submit) -> MitigationRequest:
    """For one hour; Northgate refuses and Tidewall, asked next, confirms at NOW."""
    request = submit(auto_renew=False, lifetime_s=3600)
    refuse(mitigations_of(request)[0])
    confirm(mitigations_of(request)[1])
    return request


def _next_is_asked(request: MitigationRequest, alice: User, harbour: Subscription) -> Mitigation:
    """Tidewall stops, so Harbour gets its turn."""
    MitigationRequest.objects.filter(pk=request.pk).update(
        subscriptions=[*request.subscriptions, str(harbour.pk)]
    )
    report(mitigations_of(request)[1], Trigger.PROVIDER_WITHDREW, HALF)
    return mitigations_of(request)[2]


def _refused_is_asked_again(
    request: MitigationRequest, alice: User, harbour: Subscription
) -> Mitigation:
    report(mitigations_of(request)[1], Trigger.PROVIDER_WITHDREW, HALF)
    services.mark_due_again(now=HALF)
    return mitigations_of(request)[0]


def _forgets(request: MitigationRequest, alice: User, harbour: Subscription) -> Mitigation:
    services.record_forgotten(mitigation_id=mitigations_of(request)[1].pk, now=HALF)
    return mitigations_of(request)[1]


def _asked_by_hand(request: MitigationRequest, alice: User, harbour: Subscription) -> Mitigation:
    services.ask_provider(
        request_id=request.pk, actor=Actor.person(alice), subscription_id=harbour.pk
    )
    return mitigations_of(request)[2]


def asked_for(mitigation: Mitigation, at: datetime) -> int:
    return lifetime_to_ask(Mitigation.objects.select_related("request").get(pk=mitigation.pk), at)


ASKS = [_next_is_asked, _refused_is_asked_again, _forgets, _asked_by_hand]
Ask = Callable[[MitigationRequest, User, Subscription], Mitigation]


@pytest.mark.parametrize("ask", ASKS)
def test_a_provider_asked_later_is_asked_for_the_remaining_lifetime(
    request_: MitigationRequest, alice: User, acme_harbour: Subscription, ask: Ask
) -> None:
    mitigation = ask(request_, alice, acme_harbour)

    assert mitigation.status == "pending"
    for at, left in ((HALF, 1800), (END - timedelta(seconds=5), 5), (END, 1)):
        assert asked_for(mitigation, at) == left


def test_an_extension_restarts_the_lifetime(
    request_: MitigationRequest, alice: User, acme_harbour: Subscription
) -> None:
    services.extend(request_id=request_.pk, actor=Actor.person(alice), lifetime_s=7200)
    [extended_at] = Event.objects.filter(type="request.extended").values_list("at", flat=True)

    mitigation = _forgets(request_, alice, acme_harbour)
    Mitigation.objects.filter(pk=mitigation.pk).update(refreshed_at=extended_at)

    assert asked_for(mitigations_of(request_)[1], extended_at + timedelta(hours=1)) == 3600


def test_no_lifetime_ends_before_a_provider_confirmed(submit: Submit) -> None:
    request = submit(auto_renew=False, lifetime_s=3600)
    refuse(mitigations_of(request)[0])

    services.mark_expired(now=END + timedelta(days=1))

    assert status_of(request) == "requesting"
    assert asked_for(mitigations_of(request)[1], END + timedelta(days=1)) == 3600


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("does", ["refuses", "is silent", "was not asked yet"])
def test_no_provider_is_asked_after_the_end(
    submit: Submit, acme_harbour: Subscription, strategy: Strategy, does: str
) -> None:
    """The last filter ends with the requested lifetime."""
    request = submit(strategy, auto_renew=False, lifetime_s=3600)
    if strategy == Strategy.FAILOVER:
        refuse(mitigations_of(request)[0])
    confirm(mitigations_of(request)[1])
    if does == "was not asked yet":
        MitigationRequest.objects.filter(pk=request.pk).update(
            subscriptions=[*request.subscriptions, str(acme_harbour.pk)]
        )
    if does == "refuses" and strategy != Strategy.FAILOVER:
        refuse(mitigations_of(request)[0])

    for _ in range(2):
        services.mark_expired(now=END)
        services.mark_due_again(now=END + timedelta(hours=1))

    assert [
        mitigation
        for mitigation in mitigations_of(request)
        if mitigation.wanted == "active" and not mitigation.is_over
    ] == []
    assert status_of(request) == "expired"
    assert MitigationRequest.objects.get(pk=request.pk).ended_by == "lifetime"
    said = Event.objects.filter(type="request.status").values_list("data__status", flat=True)
    assert "failing" not in said


def test_a_silent_provider_that_may_filter_gets_a_withdrawal(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL, auto_renew=False, lifetime_s=3600)
    services.record_sending(mitigation_id=mitigations_of(request)[0].pk, now=NOW)
    confirm(mitigations_of(request)[1])

    services.mark_expired(now=END)

    assert [mitigation.status for mitigation in mitigations_of(request)] == [
        "terminating",
        "expired",
    ]
    assert status_of(request) == "terminating"


def test_a_filtering_provider_continues_after_the_lifetime_and_no_other_is_asked(
    request_: MitigationRequest, alice: User, acme_harbour: Subscription
) -> None:
    Mitigation.objects.filter(pk=mitigations_of(request_)[1].pk).update(
        expires_at=END + timedelta(hours=1)
    )
    MitigationRequest.objects.filter(pk=request_.pk).update(requested_until=NOW)

    with pytest.raises(Conflict) as caught:
        services.ask_provider(
            request_id=request_.pk, actor=Actor.person(alice), subscription_id=acme_harbour.pk
        )

    assert caught.value.code == "lifetime-over"
    services.mark_expired(now=END)
    assert [mitigation.wanted for mitigation in mitigations_of(request_)] == ["withdrawn", "active"]
    assert status_of(request_) == "in_progress"


@pytest.mark.parametrize(
    ("strategy", "asked"),
    [
        (Strategy.FAILOVER, ["Northgate", "Northgate", "Tidewall"]),
        (Strategy.PARALLEL, ["Northgate", "Tidewall"]),
    ],
)
def test_only_failover_asks_a_given_up_provider_again_after_an_extension(
    submit: Submit, alice: User, strategy: Strategy, asked: list[str]
) -> None:
    """Northgate was given up when the requested lifetime ended; Tidewall granted more."""
    request = submit(strategy, auto_renew=False, lifetime_s=3600)
    refuse(mitigations_of(request)[0])
    confirm(mitigations_of(request)[1])
    Mitigation.objects.filter(pk=mitigations_of(request)[1].pk).update(
        expires_at=END + timedelta(hours=1)
    )
    services.mark_expired(now=END)
    services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=7200)

    report(mitigations_of(request)[1], Trigger.PROVIDER_WITHDREW, HALF)

    assert [one.subscription.provider.short_name for one in mitigations_of(request)] == asked
