"""Unrequested ends of filtering for a plan: on Now and on the plan pages until a person
acknowledges them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.core.formatting import NBSP
from portal.events.models import Event
from portal.mitigations import queries
from portal.mitigations import services as mitigations
from portal.mitigations.consent import Consent
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import SessionState, Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.portal.ends import end_of, posted_end, sent_end
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says, takes

pytestmark = pytest.mark.sqlite

NAME = "Shop, full flood"
NOW_PAGE = "/organizations/acme/"
STANDBY = "/organizations/acme/standby"
LIST = "/organizations/acme/requests?status=unacknowledged"
ACKNOWLEDGE = "/organizations/acme/requests/acknowledge"
REQUESTS = "/api/v1/organizations/acme/mitigation-requests"


@pytest.fixture
def active(prepare: Prepare) -> StandbyPlan:
    """Northgate activated the plan automatically and filters; Tidewall holds it."""
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    says(mitigations_of(plan.request)[0], 2)
    return again(plan)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


def words(browser: Client, path: str) -> str:
    page = browser.get(path).content.decode()
    text = html.unescape(re.sub(r"<[^>]+>", " ", page)).replace(NBSP, " ")
    return " ".join(text.split())


def waiting(organization: Organization) -> list[MitigationRequest]:
    return list(queries.ended_by_itself(organization))


def ends_of(request: MitigationRequest) -> list[str | None]:
    """The code of how each provider stopped."""
    ends = request.mitigations.order_by("position").values_list("filtering_end__by", flat=True)
    return list(ends)


def forgets(mitigation: Mitigation, at: datetime | None = None) -> None:
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=at or timezone.now())


def stopped(*, holder: str = "Both providers hold the plan.", because: str = "") -> str:
    return (
        rf"Northgate stopped filtering for the plan {NAME} on its own at \d\d:\d\d{because}\. "
        rf"{holder}"
    )


def _withdraws(mitigation: Mitigation) -> None:
    says(mitigation, 7, conflict=ProviderConflict(reason="Another customer needs the capacity."))


def _outlives(mitigation: Mitigation) -> None:
    Mitigation.objects.filter(pk=mitigation.pk).update(expires_at=timezone.now())
    mitigations.mark_expired(now=timezone.now())


def _winds_down(mitigation: Mitigation) -> None:
    says(mitigation, 5)
    says(mitigation, 6)


def _is_set_up_and_given_up(mitigation: Mitigation) -> None:
    says(mitigation, 8)
    says(mitigation, 1)
    says(mitigation, 8)


def _is_over_capacity_and_gives_up(mitigation: Mitigation) -> None:
    says(mitigation, 4)
    says(mitigation, 8)


OTHER = "Northgate {}; Tidewall holds the plan."
ENDS: dict[str, tuple[Callable[[Mitigation], None], str, str]] = {
    # what the provider does, the code for it, the sentence
    "arms it again": (lambda mitigation: says(mitigation, 8), "rearmed", stopped()),
    "forgets it": (
        forgets,
        "forgotten",
        stopped(because=": it no longer knew the plan",
        holder="Tidewall holds the plan; Northgate has not answered yet."),
    ),
    "withdraws it with a reason": (
        _withdraws,
        "provider",
        stopped(
            holder=r"Another customer needs the capacity\. "
            f"{OTHER.format('stopped holding the plan')}"
        ),
    ),
    "ends it": (
        lambda mitigation: says(mitigation, 6),
        "provider",
        stopped(holder=OTHER.format("stopped holding the plan")),
    ),
    "winds it down and ends it": (
        _winds_down,
        "provider",
        stopped(holder="Tidewall holds the plan; Northgate released the plan."),
    ),
    "lets its lifetime run out": (
        _outlives,
        "lifetime",
        (
            rf"The lifetime of the plan {NAME} ran out at \d\d:\d\d at Northgate, without a "
            rf"renewal: it should have stopped filtering\."
        ),
    ),
    "gives it up while setting up": (
        _is_set_up_and_given_up,
        "rearmed",
        rf"Northgate gave up setting up the filter for the plan {NAME} on its own at \d\d:\d\d\.",
    ),
    "gives it up at the end of its capacity": (_is_over_capacity_and_gives_up, "rearmed",
    stopped()),
}  # fmt: skip


@pytest.mark.parametrize(("ends", "by", "sentence"), ENDS.values(), ids=ENDS)
def test_an_unrequested_end_stays_on_the_pages_until_acknowledged(
    browser: Client,
    active: StandbyPlan,
    acme: Organization,
    ends: Callable[[Mitigation], None],
    by: str,
    sentence: str,
) -> None:
    assert waiting(acme) == []

    ends(mitigations_of(active.request)[0])

    [ended] = waiting(acme)
    assert ended == active.request
    assert ends_of(ended) == [by, None]
    for path in (NOW_PAGE, STANDBY, active.get_absolute_url(), ended.get_absolute_url()):
        assert re.search(sentence, words(browser, path)), path
    headline = re.search(r'<h1 id="h"[^>]*>(.*?)</h1>', browser.get(NOW_PAGE).content.decode())
    assert headline
    assert re.search(sentence, html.unescape(headline[1]).replace(NBSP, " "))
    assert f'value="{posted_end(ended)}"' in browser.get(LIST).content.decode()

    answer = browser.post(ACKNOWLEDGE, {"one": posted_end(ended), "back": "standby"})

    assert answer["Location"] == f"{STANDBY}#h"
    assert waiting(acme) == []
    assert "Ended, not acknowledged" not in words(browser, NOW_PAGE)
    assert "dana acknowledged that filtering ended." in words(browser, active.get_absolute_url())


def _loses_contact(plan: StandbyPlan, actor: User) -> None:
    Subscription.objects.update(session_state=SessionState.DOWN, session_since=timezone.now())


def _is_over_after_the_attack(plan: StandbyPlan, actor: User) -> None:
    says(mitigations_of(plan.request)[0], 3)
    says(mitigations_of(plan.request)[0], 8)


def _is_stopped_by_a_person(plan: StandbyPlan, actor: User) -> None:
    services.stop_filtering(plan_id=plan.pk, actor=Actor.person(actor))
    says(mitigations_of(plan.request)[0], 6)


def _is_turned_off(plan: StandbyPlan, actor: User) -> None:
    services.turn_off(plan_id=plan.pk, actor=Actor.person(actor))
    for mitigation in mitigations_of(plan.request):
        says(mitigation, 6)


def _is_activated_by_a_person(plan: StandbyPlan, actor: User) -> None:
    """The provider accepts the immediate request, filters for it, and rearms the plan."""
    request = services.activate(plan_id=plan.pk, actor=Actor.person(actor))
    for mitigation in mitigations_of(request):
        takes(mitigation)
    says(mitigations_of(plan.request)[0], 8)


def _winds_down_only(plan: StandbyPlan, actor: User) -> None:
    says(mitigations_of(plan.request)[0], 5)


def _goes_on_at_the_other(plan: StandbyPlan, actor: User) -> None:
    northgate, tidewall = mitigations_of(plan.request)
    says(tidewall, 2)
    says(northgate, 8)


def _goes_on_at_the_other_until_a_person_stops_it(plan: StandbyPlan, actor: User) -> None:
    _goes_on_at_the_other(plan, actor)
    services.stop_filtering(plan_id=plan.pk, actor=Actor.person(actor))
    says(mitigations_of(plan.request)[1], 6)


def _begins_again(plan: StandbyPlan, actor: User) -> None:
    northgate = mitigations_of(plan.request)[0]
    says(northgate, 8)
    says(northgate, 2)


@pytest.mark.parametrize(
    "happens",
    [
        _loses_contact,
        _is_over_after_the_attack,
        _is_stopped_by_a_person,
        _is_turned_off,
        _is_activated_by_a_person,
        _winds_down_only,
        _goes_on_at_the_other,
        _goes_on_at_the_other_until_a_person_stops_it,
        _begins_again,
    ],
)
def test_continuing_or_manually_stopped_filtering_is_not_an_unrequested_end(
    active: StandbyPlan,
    acme: Organization,
    dana: User,
    happens: Callable[[StandbyPlan, User], None],
) -> None:
    happens(active, dana)

    assert waiting(acme) == []
    assert again(active).request.filtering_ended_at is None


def test_filtering_ends_when_the_last_provider_stops_and_both_are_named(
    browser: Client, active: StandbyPlan
) -> None:
    for mitigation in mitigations_of(active.request):
        says(mitigation, 2)
    northgate, tidewall = mitigations_of(active.request)
    says(northgate, 8)
    # A provider still filters: the card says so, and there is nothing to acknowledge.
    assert "Tidewall reports it is filtering; Northgate holds the plan." in words(browser, NOW_PAGE)

    forgets(tidewall)

    page = words(browser, NOW_PAGE)
    assert re.search(stopped(holder="Tidewall stopped filtering"), page)
    assert "it no longer knew the plan. Northgate holds the plan; Tidewall has not" in page


def test_a_provider_silent_for_a_while_may_have_stopped_earlier(
    browser: Client, active: StandbyPlan
) -> None:
    northgate = mitigations_of(active.request)[0]
    Mitigation.objects.filter(pk=northgate.pk).update(
        reported_at=timezone.now() - timedelta(minutes=20)
    )

    says(northgate, 8)

    assert re.search(
        rf"stopped filtering for the plan {NAME} on its own between \d\d:\d\d\D* and \d\d:\d\d",
        words(browser, NOW_PAGE),
    )


def test_a_newer_request_that_protects_less_is_named_as_the_reason(
    browser: Client,
    active: StandbyPlan,
    acme: Organization,
    dana: User,
    acme_northgate: Subscription,
) -> None:
    request = mitigations.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",), subscriptions=(acme_northgate.pk,)),
        consent=Consent(named=(active.request_id,)),
    )
    takes(mitigations_of(request)[0])

    says(mitigations_of(active.request)[0], 8)

    [ended] = waiting(acme)
    assert ends_of(ended) == ["newer_request", None]
    assert (
        "Northgate stopped filtering 203.0.113.0/26: the newer request covers only 203.0.113.7/32."
        in words(browser, NOW_PAGE)
    )


def test_each_end_is_acknowledged_separately_and_a_repeat_is_harmless(
    active: StandbyPlan, acme: Organization, dana: User, alice: User
) -> None:
    northgate = mitigations_of(active.request)[0]
    says(northgate, 8)
    mitigations.acknowledge(end_of(active.request), actor=Actor.person(dana))
    mitigations.acknowledge(end_of(active.request), actor=Actor.person(alice))
    assert Event.objects.filter(type="request.acknowledged").count() == 1
    # Repeated reports, and a later loss of the plan, say nothing new about the filter.
    says(northgate, 8)
    forgets(northgate)
    assert waiting(acme) == []

    says(northgate, 2)
    with pytest.raises(Conflict):
        mitigations.acknowledge(end_of(active.request), actor=Actor.person(dana))
    says(northgate, 8)

    assert waiting(acme) == [active.request]


def _posts_on_now(browser: Client, api: APIClient, ended: MitigationRequest) -> Callable[[], str]:
    page = browser.get(NOW_PAGE).content.decode()
    [end] = re.findall(r'name="one"\s+value="([^"]+)"', page)
    return lambda: browser.post(ACKNOWLEDGE, {"one": end}, follow=True).content.decode()


def _posts_in_the_list(
    browser: Client, api: APIClient, ended: MitigationRequest
) -> Callable[[], str]:
    ends = re.findall(r'name="ends"\s+value="([^"]+)"', browser.get(LIST).content.decode())
    return lambda: browser.post(ACKNOWLEDGE, {"ends": ends}, follow=True).content.decode()


def _posts_on_its_page(
    browser: Client, api: APIClient, ended: MitigationRequest
) -> Callable[[], str]:
    url = ended.get_absolute_url()
    page = browser.get(url).content.decode()
    [end] = re.findall(r'name="one"\s+value="([^"]+)"', page)
    typed = {"ended_at": end.partition(" ")[2]}
    return lambda: browser.post(f"{url}/acknowledge", typed, follow=True).content.decode()


def _calls(browser: Client, api: APIClient, ended: MitigationRequest) -> Callable[[], str]:
    url = f"{REQUESTS}/{ended.pk}"
    seen = {"ended_at": api.get(url).json()["filtering_ended_at"]}
    return lambda: api.post(f"{url}/acknowledge", seen).content.decode()


def _calls_for_many(browser: Client, api: APIClient, ended: MitigationRequest) -> Callable[[], str]:
    seen = {"ends": [sent_end(ended)]}
    return lambda: api.post(f"{REQUESTS}/acknowledge", seen).content.decode()


@pytest.mark.parametrize(
    "door", [_posts_on_now, _posts_in_the_list, _posts_on_its_page, _calls, _calls_for_many]
)
def test_a_stale_page_does_not_acknowledge_a_later_end(
    browser: Client,
    active: StandbyPlan,
    acme: Organization,
    dana: User,
    api_of: ApiOf,
    door: Callable[[Client, APIClient, MitigationRequest], Callable[[], str]],
) -> None:
    northgate = mitigations_of(active.request)[0]
    says(northgate, 8)
    acknowledge = door(browser, api_of(dana), active.request)
    says(northgate, 2)
    says(northgate, 8)

    answer = acknowledge()

    assert "ended again after you loaded this page" in html.unescape(answer)
    assert waiting(acme) == [active.request]
    door(browser, api_of(dana), active.request)()
    assert waiting(acme) == []


@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_an_end_before_another_provider_began_is_not_named_with_the_next_end(
    browser: Client, active: StandbyPlan, acme: Organization, dana: User, *, is_acknowledged: bool
) -> None:
    northgate, tidewall = mitigations_of(active.request)
    says(northgate, 8)
    if is_acknowledged:
        mitigations.acknowledge(end_of(active.request), actor=Actor.person(dana))

    says(tidewall, 2)
    assert waiting(acme) == []
    says(tidewall, 8)

    [ended] = waiting(acme)
    assert ends_of(ended) == [None, "rearmed"]
    page = words(browser, NOW_PAGE)
    assert f"Tidewall stopped filtering for the plan {NAME} on its own" in page
    assert "Northgate stopped" not in page


def test_an_end_stays_shown_after_the_plan_is_removed_or_turned_off(
    browser: Client, active: StandbyPlan, acme: Organization, dana: User
) -> None:
    says(mitigations_of(active.request)[0], 8)

    _is_turned_off(active, dana)

    assert waiting(acme) == [active.request]
    assert re.search(stopped(holder=r"The plan is off\."), words(browser, NOW_PAGE))
    services.remove_plan(plan_id=active.pk, actor=Actor.person(dana))
    assert active.get_absolute_url() not in browser.get(NOW_PAGE).content.decode()


def test_a_viewer_sees_no_buttons_and_other_tenants_see_nothing(
    active: StandbyPlan, bob: User, charlie: User, client_of: ClientOf
) -> None:
    says(mitigations_of(active.request)[0], 8)

    page = client_of(bob).get(NOW_PAGE).content.decode()
    theirs = client_of(charlie).post(ACKNOWLEDGE, {"one": posted_end(active.request)})

    assert "stopped filtering for the plan" in page
    assert "Acknowledge" not in page
    assert f"{active.get_absolute_url()}/activate" not in page
    assert theirs.status_code == 404


def test_the_api_returns_codes_and_acknowledges_an_end(
    active: StandbyPlan, dana: User, api_of: ApiOf
) -> None:
    _withdraws(mitigations_of(active.request)[0])
    api, url = api_of(dana), f"{REQUESTS}/{active.request_id}"

    shown = api.get(url).json()
    acknowledged = api.post(f"{REQUESTS}/acknowledge", {"ends": [sent_end(active.request)]})

    [northgate, tidewall] = shown["mitigations"]
    assert shown["filtering_ended_at"] is not None
    assert shown["acknowledged_at"] is None
    assert tidewall["filtering_end"] is None
    end = northgate["filtering_end"]
    assert (end["by"], end["has_filtered"], end["replaced_by"]) == ("provider", True, None)
    assert end["conflict"] == {"reason": "Another customer needs the capacity.", "cause": None}
    [after] = acknowledged.json()["results"]
    assert after["acknowledged_by"] == "dana"


def test_a_plan_waiting_for_a_person_before_the_upgrade_still_waits(
    browser: Client, active: StandbyPlan, acme: Organization
) -> None:
    migration = import_module("portal.mitigations.migrations.0015_filtering_of_a_plan_ended")
    ended = {"ended_by": "provider", "ended_at": timezone.now(), "status": "terminated"}
    MitigationRequest.objects.update(**ended)
    assert waiting(acme) == []

    migration.fill(apps, None)

    assert waiting(acme) == [active.request]
    assert "Ended, not acknowledged" in words(browser, NOW_PAGE)
