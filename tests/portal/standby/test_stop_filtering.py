"""Stop filtering but stay prepared: providers that filter are withdrawn, and hold the plan again
once they have stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.events.models import Event
from portal.mitigations import queries as mitigation_queries
from portal.mitigations import services as mitigations
from portal.mitigations import wind_down
from portal.mitigations.models import Mitigation
from portal.mitigations.services import advance
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.mapping import scope_of
from portal.standby import queries, services, tasks
from portal.standby.models import StandbyPlan
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says, takes


@pytest.fixture
def active(prepare: Prepare) -> StandbyPlan:
    """Northgate activated the plan automatically and filters; Tidewall holds it."""
    plan = prepare()
    northgate, tidewall = mitigations_of(plan.request)
    holds(northgate)
    holds(tidewall)
    says(northgate, 2, bytes_dropped=5, mitigation_start=timezone.now())
    return again(plan)


def newest(plan: StandbyPlan) -> list[Mitigation]:
    """Each provider's part, in order."""
    return [one.mitigation for one in queries.holders(again(plan))]


def confirm_withdrawal(mitigation: Mitigation, ago: timedelta = timedelta()) -> None:
    """The provider confirmed the withdrawal."""
    mitigations.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=timezone.now() - ago)


def test_stopping_a_plan_withdraws_only_the_providers_that_filter(
    active: StandbyPlan, acme: Organization, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))

    northgate, tidewall = newest(active)
    assert (northgate.status, northgate.wanted, northgate.hold_again) == (
        "terminating",
        "withdrawn",
        True,
    )
    assert (tidewall.status, tidewall.wanted, tidewall.hold_again) == ("standby", "active", False)
    plan = again(active)
    assert (plan.is_on, plan.request.status) == (True, "terminating")
    # A provider filters until it gets the withdrawal: the plan is not idle yet.
    assert [one.pk for one in mitigation_queries.live_requests(acme)] == [plan.request_id]
    event = Event.objects.get(type="mitigation.withdraw_requested")
    assert (event.actor, event.mitigation_id) == (dana, northgate.pk)
    assert event.data["hold_again"] is True


def _reports_the_end(mitigation: Mitigation) -> None:
    says(mitigation, 6)


def _knows_it_no_more(mitigation: Mitigation) -> None:
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=timezone.now())


def _outlives_its_lifetime(mitigation: Mitigation) -> None:
    assert mitigations.mark_expired(now=timezone.now() + timedelta(days=2)) == 2


def _is_silent_for_longer_than_it_may_wind_down(mitigation: Mitigation) -> None:
    confirm_withdrawal(mitigation, wind_down.WIND_DOWN_AT_MOST)
    tasks.follow()


@pytest.mark.parametrize(
    "ends",
    [
        _reports_the_end,
        _knows_it_no_more,
        _outlives_its_lifetime,
        _is_silent_for_longer_than_it_may_wind_down,
    ],
)
def test_a_stopped_provider_is_asked_to_hold_the_plan_again(
    active: StandbyPlan, dana: User, ends: Callable[[Mitigation], None]
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    old = newest(active)[0]

    ends(old)

    new = newest(active)[0]
    assert new.pk != old.pk
    assert new.mid > old.mid
    assert (new.status, new.wanted, new.sent_at) == ("pending", "active", None)
    assert (new.scope, new.position, new.lifetime_s) == (old.scope, old.position, old.lifetime_s)
    new.request = again(active).request
    assert not scope_of(new, lifetime_s=new.lifetime_s).trigger_mitigation
    old.refresh_from_db()
    assert (old.wanted, old.hold_again) == ("withdrawn", False)
    assert again(active).is_on

    holds(new)

    holder = queries.holders(again(active))[0]
    assert (holder.mitigation, holder.is_held) == (new, True)
    assert again(active).request.status == "standby"


def test_no_new_request_is_sent_before_the_provider_stopped(
    active: StandbyPlan, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    mitigation = newest(active)[0]
    tasks.follow()
    confirm_withdrawal(mitigation, wind_down.WIND_DOWN_AT_MOST - timedelta(seconds=2))
    says(mitigation, 5)
    tasks.follow()

    assert len(mitigations_of(active.request)) == 2
    assert newest(active)[0].hold_again


def test_a_plan_stays_on_while_its_only_provider_stops(
    prepare: Prepare, acme_tidewall: Subscription, acme: Organization, dana: User
) -> None:
    acme_tidewall.enabled = False
    acme_tidewall.save(update_fields=["enabled"])
    plan = prepare()
    mitigation = mitigations_of(plan.request)[0]
    holds(mitigation)
    says(mitigation, 2)

    services.stop_filtering(plan_id=plan.pk, actor=Actor.person(dana))
    confirm_withdrawal(mitigation)
    says(mitigation, 6)

    new = newest(plan)[0]
    assert (again(plan).request.status, again(plan).is_on) == ("requesting", True)
    takes(new)
    assert again(plan).request.status == "standby"
    assert not mitigation_queries.live_requests(acme)
    statuses = Event.objects.filter(type="request.status", request_id=plan.request_id).order_by(
        "seq"
    )
    assert [one.data["status"] for one in statuses] == [
        "standby", "mitigating", "terminating", "requesting", "standby",
    ]  # fmt: skip


def test_repeated_or_simultaneous_stops_are_one(
    active: StandbyPlan, dana: User, alice: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(alice))
    mitigation = newest(active)[0]
    says(mitigation, 6)
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(alice))
    holds(newest(active)[0])
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(alice))
    says(mitigation, 6)
    tasks.follow()

    assert len(mitigations_of(active.request)) == 3
    assert [one.status for one in newest(active)] == ["standby", "standby"]
    assert Event.objects.filter(type="mitigation.withdraw_requested").count() == 1


def test_a_worker_that_dies_on_the_report_of_the_end_loses_nothing(
    active: StandbyPlan, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    mitigation = newest(active)[0]

    def die(*_args: object, **_facts: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(advance, "start_mitigation", die)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            says(mitigation, 6)
    mitigation.refresh_from_db()
    assert (mitigation.status, mitigation.hold_again) == ("terminating", True)

    # The next poll returns the same.
    says(mitigation, 6)

    assert [one.status for one in newest(active)] == ["pending", "standby"]


def test_the_sweep_finds_an_unsettled_end(active: StandbyPlan, dana: User) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    Mitigation.objects.filter(hold_again=True).update(status="terminated", ended_at=timezone.now())

    tasks.follow()
    tasks.follow()

    assert [one.status for one in newest(active)] == ["pending", "standby"]
    assert len(mitigations_of(active.request)) == 3


@pytest.mark.parametrize("act", [services.turn_off, services.remove_plan])
def test_a_plan_turned_off_in_between_is_not_held_again(
    active: StandbyPlan, dana: User, act: Callable[..., object]
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    northgate, tidewall = newest(active)

    act(plan_id=active.pk, actor=Actor.person(dana))
    for mitigation in (northgate, tidewall):
        confirm_withdrawal(mitigation, wind_down.WIND_DOWN_AT_MOST)
        tasks.follow()
        says(mitigation, 6)
    tasks.follow()

    assert [mitigation.status for mitigation in mitigations_of(active.request)] == [
        "terminated",
        "terminated",
    ]
    assert not again(active).is_on
    assert not Mitigation.objects.filter(hold_again=True).exists()


def test_a_plan_changed_in_between_is_held_only_in_its_new_version(
    active: StandbyPlan, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    old = again(active).request
    submission = services.submission_of(again(active))
    narrower = type(submission)(
        prefixes=("203.0.113.0/28",), strategy="parallel", lifetime_s=submission.lifetime_s
    )

    services.change_plan(plan_id=active.pk, actor=Actor.person(dana), submission=narrower)
    says(mitigations_of(old)[0], 6)
    for mitigation in newest(active):
        holds(mitigation)
    tasks.follow()
    says(mitigations_of(old)[1], 6)

    assert len(mitigations_of(old)) == 2
    old.refresh_from_db()
    assert old.status == "terminated"
    assert [one.scope.texts for one in newest(active)] == [("203.0.113.0/28",)] * 2
    assert again(active).request.status == "standby"


def test_a_provider_that_can_no_longer_be_asked_is_skipped(
    active: StandbyPlan, acme_northgate: Subscription, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    acme_northgate.enabled = False
    acme_northgate.save(update_fields=["enabled"])

    says(newest(active)[0], 6)

    assert [one.status for one in newest(active)] == ["terminated", "standby"]
    assert again(active).request.status == "standby"
    assert not Mitigation.objects.filter(hold_again=True).exists()


def test_stopping_ends_the_activation_and_the_plan_stays_held(prepare: Prepare, dana: User) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    request = services.activate(plan_id=plan.pk, actor=Actor.person(dana))
    for mitigation in mitigations_of(request):
        takes(mitigation)
        says(mitigation, 2)

    services.stop_filtering(plan_id=plan.pk, actor=Actor.person(dana))
    services.stop_filtering(plan_id=plan.pk, actor=Actor.person(dana))

    request.refresh_from_db()
    assert (request.status, request.terminate_asked_by) == ("terminating", dana)
    assert [one.is_held for one in queries.holders(again(plan))] == [True, True]
    assert again(plan).request.status == "standby"
    assert len(mitigations_of(plan.request)) == 2


def test_a_stop_ends_both_kinds_of_activation(active: StandbyPlan, dana: User) -> None:
    request = services.activate(plan_id=active.pk, actor=Actor.person(dana))
    for mitigation in mitigations_of(request):
        takes(mitigation)

    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))

    request.refresh_from_db()
    assert request.status == "terminating"
    assert newest(active)[0].hold_again


def test_a_plan_that_is_off_is_not_held_after_a_stop(active: StandbyPlan, dana: User) -> None:
    services.turn_off(plan_id=active.pk, actor=Actor.person(dana))

    with pytest.raises(
        Conflict, match="Shop, full flood is off: no provider would hold it"
    ) as caught:
        services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))

    assert caught.value.code == "plan-is-off"


def test_a_provider_that_activates_it_again_can_be_stopped_again(
    active: StandbyPlan, dana: User
) -> None:
    for _ in range(2):
        mitigation = newest(active)[0]
        if mitigation.status == "pending":
            holds(mitigation)
            says(mitigation, 2)
        services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
        says(newest(active)[0], 6)

    mids = [
        mitigation.mid for mitigation in mitigations_of(active.request) if mitigation.position == 0
    ]
    assert len(mids) == 3
    assert mids == sorted(set(mids))


def test_a_drill_does_not_touch_a_plan_about_to_be_held_again(
    active: StandbyPlan, acme_northgate: Subscription, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))

    assert [one.pk for one in queries.to_hold_in_standby(acme_northgate.pk)] == [
        newest(active)[0].pk
    ]


def test_one_sweep_handles_a_bounded_number_of_rows(
    active: StandbyPlan, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    Mitigation.objects.filter(hold_again=True).update(status="terminated")
    monkeypatch.setattr("portal.mitigations.services.stop_plan_filtering.MAX_RESUMED", 0)

    assert mitigations.resume_holding(now=timezone.now()) == 0

    monkeypatch.undo()
    assert mitigations.resume_holding(now=timezone.now()) == 1
    assert mitigations.resume_holding(now=timezone.now()) == 0
