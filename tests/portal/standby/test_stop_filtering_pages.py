from __future__ import annotations

import html
from dataclasses import replace

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.api.throttling import CALLS_PER_PERSON
from portal.providers.models import Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.portal.api.answers import lasting
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says, takes, words
from tests.portal.standby.test_pages import lose
from tests.portal.standby.test_stop_filtering import active as active
from tests.portal.standby.test_stop_filtering import confirm_withdrawal, newest

STANDBY = "/organizations/acme/standby"
PLANS = "/api/v1/organizations/acme/standby-plans"


def stop_of(plan: StandbyPlan) -> str:
    return f"{plan.get_absolute_url()}/stop"


def test_request_plan_and_list_pages_offer_to_stop_and_stay_prepared(
    browser: Client, active: StandbyPlan
) -> None:
    request, plan = active.request.get_absolute_url(), active.get_absolute_url()
    for path in (request, plan):
        page = browser.get(path).content.decode()
        assert "Stop filtering…</summary>" in page, path
        assert f'action="{stop_of(active)}"' in page
    assert f'href="{stop_of(active)}"' in browser.get(STANDBY).content.decode()
    # A person who came to terminate sees the option that keeps the plan.
    terminate = browser.get(f"{request}/terminate").content.decode()
    assert f'href="{stop_of(active)}"' in terminate
    assert "The plan is then off" in terminate


def test_stopping_is_confirmed_on_its_own_page_and_returns(
    browser: Client, active: StandbyPlan
) -> None:
    question = words(browser, stop_of(active))
    assert "Stop filtering, but stay prepared?" in question
    assert "Northgate will be told to stop filtering 203.0.113.0/26." in question
    assert "Tidewall keeps holding the plan." in question

    answer = browser.post(stop_of(active))
    again_answer = browser.post(stop_of(active), {"back": "request"})

    assert answer["Location"] == f"{active.get_absolute_url()}#h"
    assert again_answer["Location"] == f"{active.request.get_absolute_url()}#h"
    assert browser.get(stop_of(active))["Location"] == active.get_absolute_url()
    assert len(mitigations_of(active.request)) == 2


def test_the_pages_show_the_progress_of_a_stop(
    browser: Client, active: StandbyPlan, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    confirm_withdrawal(newest(active)[0])

    for path in (active.get_absolute_url(), active.request.get_absolute_url(), STANDBY):
        page = words(browser, path)
        assert "Northgate is stopping; Tidewall holds the plan." in page, path
        assert "Northgate will hold the plan again after that." in page
        assert "Received the stop request at" in page
        # Nothing is terminated: the plan stays.
        assert "Stopping" in page
        assert "Terminating" not in page
        assert "Stop filtering…" not in page
    assert "dana told Northgate to stop filtering." in words(browser, active.get_absolute_url())
    now = words(browser, "/organizations/acme/")
    assert "Northgate is stopping; Tidewall holds the plan." in now


def test_the_plan_is_held_again_without_being_turned_on(
    browser: Client, active: StandbyPlan, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    says(newest(active)[0], 6)
    holds(newest(active)[0])

    page = words(browser, active.get_absolute_url())

    assert "Both providers hold the plan." in page
    assert "Northgate confirmed that it stopped." in page
    assert page.count("Holds the plan.") == 2
    assert "Turn off…" in page


def test_an_unreachable_provider_has_its_phone_number(
    browser: Client, active: StandbyPlan, acme_northgate: Subscription, dana: User
) -> None:
    services.stop_filtering(plan_id=active.pk, actor=Actor.person(dana))
    lose(acme_northgate)

    page = words(browser, active.request.get_absolute_url())

    assert "Northgate has not confirmed the stop request yet." in page
    assert "Call Northgate" in page
    assert "It may still be filtering." in page


def test_the_activation_of_a_plan_is_stopped_on_the_plans_page(
    browser: Client, prepare: Prepare, dana: User
) -> None:
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    assert browser.get(stop_of(plan)).status_code == 302
    request = services.activate(plan_id=plan.pk, actor=Actor.person(dana))
    for mitigation in mitigations_of(request):
        takes(mitigation)
        says(mitigation, 2)
    # Terminating it does not turn the plan off, and the question says so.
    ending = words(browser, f"{request.get_absolute_url()}/terminate")
    assert "The plan Shop, full flood stays on." in ending
    question = words(browser, stop_of(plan))
    assert "Northgate and Tidewall will be told to stop filtering 203.0.113.0/26." in question
    assert "Northgate and Tidewall keep holding the plan." in question

    browser.post(stop_of(plan))

    request.refresh_from_db()
    assert request.status == "terminating"
    page = words(browser, plan.get_absolute_url())
    assert "Both providers hold the plan." in page
    assert "Stop filtering…" not in page


def test_a_plan_that_is_off_offers_no_stop(
    browser: Client, active: StandbyPlan, dana: User
) -> None:
    services.turn_off(plan_id=active.pk, actor=Actor.person(dana))

    answer = browser.post(stop_of(active), follow=True)

    text = html.unescape(answer.content.decode())
    assert "Shop, full flood is off: no provider would hold it afterwards." in text
    assert "Stop filtering…" not in text
    assert browser.get(stop_of(active)).status_code == 302


def test_a_replaced_version_of_a_plan_can_still_be_looked_at(
    browser: Client, active: StandbyPlan, dana: User
) -> None:
    old = active.request
    says(mitigations_of(old)[0], 8)
    submission = services.submission_of(active)
    narrower = type(submission)(prefixes=("203.0.113.0/28",), strategy="parallel")
    services.change_plan(plan_id=active.pk, actor=Actor.person(dana), submission=narrower)
    says(mitigations_of(old)[0], 2)

    assert "Stop filtering…" not in words(browser, old.get_absolute_url())


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
def test_viewers_and_other_tenants_cannot_stop_a_plan(
    request: pytest.FixtureRequest,
    active: StandbyPlan,
    client_of: ClientOf,
    api_of: ApiOf,
    who: str,
    status: int,
) -> None:
    person = request.getfixturevalue(who)
    browser, api = client_of(person), api_of(person)

    assert browser.get(stop_of(active)).status_code == status
    assert browser.post(stop_of(active)).status_code == status
    assert api.post(f"{PLANS}/{active.pk}/stop").status_code == status
    if who == "charlie":
        theirs = stop_of(active).replace("/acme/", "/globex/")
        assert browser.post(theirs).status_code == 404
        assert api.post(f"{PLANS}/{active.pk}/stop".replace("acme", "globex")).status_code == 404
    else:
        page = words(browser, active.get_absolute_url())
        assert "Stop filtering…" not in page
    assert not again(active).request.mitigations.filter(hold_again=True).exists()


def test_the_api_stops_a_plan_and_says_who_holds_it_again(
    dana: User, api_of: ApiOf, active: StandbyPlan
) -> None:
    api: APIClient = api_of(dana)

    first = api.post(f"{PLANS}/{active.pk}/stop")
    second = api.post(f"{PLANS}/{active.pk}/stop")

    assert (first.status_code, second.status_code) == (202, 202)
    assert lasting(first.json()) == lasting(second.json())
    shown = first.json()
    assert (shown["on"], shown["request"]["status"]) == (True, "terminating")
    assert [one["stopping"] for one in shown["holders"]] == [True, False]
    assert [one["hold_again"] for one in shown["request"]["mitigations"]] == [True, False]

    says(newest(active)[0], 6)
    shown = api.get(f"{PLANS}/{active.pk}").json()

    assert [(one["status"], one["stopping"]) for one in shown["holders"]] == [
        ("pending", False),
        ("standby", False),
    ]
    assert len(shown["request"]["mitigations"]) == 3


def test_the_api_refuses_to_stop_a_plan_that_is_off(
    dana: User, api_of: ApiOf, active: StandbyPlan
) -> None:
    services.turn_off(plan_id=active.pk, actor=Actor.person(dana))

    answer = api_of(dana).post(f"{PLANS}/{active.pk}/stop")

    assert (answer.status_code, answer.json()["code"]) == (409, "plan-is-off")


def test_stopping_is_not_throttled(
    dana: User, api_of: ApiOf, active: StandbyPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(CALLS_PER_PERSON, name="few", tries=1)
    monkeypatch.setattr("portal.api.throttling.CALLS_PER_PERSON", few)
    api = api_of(dana)

    assert [api.post(f"{PLANS}/{active.pk}/stop").status_code for _ in range(3)] == [202] * 3
    assert [api.get(PLANS).status_code for _ in range(2)] == [200, 429]
