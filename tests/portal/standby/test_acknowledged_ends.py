"""A person acknowledges that filtering for a plan ended: each once, on pages and in the API."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.portal.ends import end_of, posted_end, sent_end
from tests.portal.standby.conftest import mitigations_of, says, words
from tests.portal.standby.plan_ends import (
    ACKNOWLEDGE,
    LIST,
    NOW_PAGE,
    REQUESTS,
    _withdraws,
    forgets,
    waiting,
)

pytestmark = pytest.mark.sqlite


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
