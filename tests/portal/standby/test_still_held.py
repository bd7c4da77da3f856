"""A provider confirms the withdrawal of a plan but keeps it: the portal retries, within limits, and
shows it.
"""

from __future__ import annotations

import html
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation
from portal.mitigations.release import (
    MAX_RELEASE_PAUSE,
    MAX_RELEASE_TRIES,
    RELEASE_AGAIN_AFTER,
)
from portal.organizations.models import Organization
from portal.signaling.actions.next_action import (
    POLL_AFTER,
    Action,
    MitigationHistory,
    NextAction,
    next_action,
)
from portal.standby import queries, services
from portal.standby.models import Drill, StandbyPlan
from portal.standby.services.drills import END_WITHIN
from tests.conftest import ApiOf, ClientOf
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says
from tests.portal.standby.test_drills import both as both
from tests.portal.standby.test_drills import checks, follow, mitigation_facts
from tests.portal.standby.test_drills import drill as drill

STANDBY = "/organizations/acme/standby"


@pytest.fixture
def kept(prepare: Prepare, alice: User) -> StandbyPlan:
    """A plan that was turned off; Northgate confirmed it and still holds it, Tidewall has dropped
    it.
    """
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    services.turn_off(plan_id=plan.pk, actor=Actor.person(alice))
    northgate, tidewall = mitigations_of(plan.request)
    confirmed_at = timezone.now() - timedelta(seconds=10)
    for mitigation in (northgate, tidewall):
        mitigations.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=confirmed_at)
    says(northgate, 8, confirmed_at + timedelta(seconds=5))
    says(tidewall, 6)
    return again(plan)


def mitigation(plan: StandbyPlan) -> Mitigation:
    return mitigations_of(plan.request)[0]


def following(one: Mitigation, now: datetime, *, status: int | None = 8) -> NextAction:
    session = MitigationHistory(is_introduced=True, dots_status=status, reported_at=now)
    return next_action(one, session, now)


def test_a_plan_that_is_still_held_gets_a_lifetime_of_one(kept: StandbyPlan) -> None:
    assert mitigation(kept).is_still_held
    assert following(mitigation(kept), timezone.now()).action is Action.RELEASE
    # No PUT for a plan that the session has not shown to be only held.
    for status in (None, 1, 2):
        assert (
            following(mitigation(kept), timezone.now(), status=status).action is not Action.RELEASE
        )


def test_a_report_sent_before_the_withdrawal_does_not_count(kept: StandbyPlan) -> None:
    one = mitigation(kept)
    assert one.withdrawal_confirmed_at is not None
    one.reported_at = one.withdrawal_confirmed_at + timedelta(seconds=1)

    assert not one.is_still_held


@pytest.mark.parametrize("status", [1, 2, 3, 5])
def test_a_lifetime_of_one_is_sent_only_for_a_held_plan(kept: StandbyPlan, status: int) -> None:
    one = mitigation(kept)
    one.dots_status = status

    assert not one.is_still_held


def test_the_attempts_back_off_and_end(kept: StandbyPlan) -> None:
    now = timezone.now()
    pauses = []
    for _ in range(MAX_RELEASE_TRIES):
        assert mitigations.record_release(mitigation_id=mitigation(kept).pk, now=now)
        one = mitigation(kept)
        one.last_heard_at = now
        late = now + 2 * MAX_RELEASE_PAUSE
        at = next(
            now + timedelta(seconds=seconds)
            for seconds in range(int((late - now).total_seconds()))
            if one.is_release_given_up
            or following(one, now + timedelta(seconds=seconds)).action is Action.RELEASE
        )
        pauses.append(at - now)
        now = at

    assert pauses[:3] == [RELEASE_AGAIN_AFTER, 2 * RELEASE_AGAIN_AFTER, 4 * RELEASE_AGAIN_AFTER]
    assert max(pauses) == MAX_RELEASE_PAUSE
    assert not mitigations.record_release(mitigation_id=mitigation(kept).pk, now=now)
    one = mitigation(kept)
    one.last_heard_at = now
    assert following(one, now) == NextAction(action=Action.WAIT, at=now + POLL_AFTER)
    events = Event.objects.filter(data__why="still_held").order_by("seq")
    assert [event.data.get("tries") for event in events] == [None, MAX_RELEASE_TRIES]


def test_a_delete_is_not_repeated_for_a_held_plan(kept: StandbyPlan) -> None:
    says(mitigation(kept), 8, timezone.now() + timedelta(minutes=2))

    assert mitigation(kept).withdrawal_confirmed_at is not None


def test_the_attempts_end_when_the_provider_no_longer_holds_the_plan(kept: StandbyPlan) -> None:
    mitigations.record_release(mitigation_id=mitigation(kept).pk, now=timezone.now())

    mitigations.record_forgotten(mitigation_id=mitigation(kept).pk, now=timezone.now())

    assert (mitigation(kept).status, mitigation(kept).is_still_held) == ("terminated", False)


def test_the_pages_say_that_a_plan_is_still_held_with_the_number_to_call(
    alice: User, kept: StandbyPlan, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    mitigations.record_release(mitigation_id=mitigation(kept).pk, now=timezone.now())

    page = html.unescape(browser.get(kept.get_absolute_url()).content.decode())
    assert "Northgate still holds the plan, though it confirmed the withdrawal." in page
    assert "Confirmed the withdrawal at" in page
    assert "with a lifetime of one second, and is checking whether it is gone." in page
    assert "Northgate confirmed the withdrawal, and still holds the plan." in page
    assert "Still held" in page
    assert "Call +1 555 0142" in page

    # A removed plan has no page, but is still held.
    services.remove_plan(plan_id=kept.pk, actor=Actor.person(alice))
    listed = html.unescape(browser.get(STANDBY).content.decode())
    assert "Northgate confirmed the withdrawal of Shop, full flood, and still holds it." in listed
    assert "Call +1 555 0142" in listed
    assert [one.pk for one in queries.still_held(acme)] == [mitigation(kept).pk]


def test_the_page_asks_to_call_the_provider_after_the_last_attempt(
    alice: User, kept: StandbyPlan, client_of: ClientOf
) -> None:
    Mitigation.objects.filter(pk=mitigation(kept).pk).update(
        release_tries=MAX_RELEASE_TRIES, release_tried_at=timezone.now()
    )

    listed = html.unescape(client_of(alice).get(STANDBY).content.decode())

    assert "Retrying has not helped: call and ask for the plan to be removed." in listed


def test_the_api_says_that_a_plan_is_still_held(
    dana: User, kept: StandbyPlan, api_of: ApiOf
) -> None:
    url = f"/api/v1/organizations/acme/mitigation-requests/{kept.request_id}"

    northgate, tidewall = api_of(dana).get(url).json()["mitigations"]

    assert tidewall["still_held"] is None
    assert northgate["still_held"]["phone"] == "+1 555 0142"
    assert (northgate["still_held"]["tries"], northgate["still_held"]["given_up"]) == (0, False)


def test_other_tenants_do_not_see_a_plan_still_held(
    kept: StandbyPlan, charlie: User, client_of: ClientOf
) -> None:
    page = client_of(charlie).get("/organizations/globex/standby").content.decode()

    assert "still holds" not in page


def test_a_drill_still_held_gives_the_number_to_call(
    drill: Drill, alice: User, client_of: ClientOf
) -> None:
    for check in checks(drill):
        holds(mitigation_facts(check))
    follow()
    now = timezone.now()
    for check in checks(drill):
        mitigations.record_withdrawal_confirmed(mitigation_id=check.mitigation_id, now=now)
        says(mitigation_facts(check), 8, now + timedelta(seconds=5))
        assert (
            following(mitigation_facts(check), now + timedelta(seconds=6)).action is Action.RELEASE
        )
    follow(drill.started_at + END_WITHIN)

    page = client_of(alice).get("/organizations/acme/readiness/drills").content.decode()

    assert "It confirmed the withdrawal and still holds the request. Call +1 555 0142." in page
