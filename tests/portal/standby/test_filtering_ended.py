"""Unrequested ends of filtering for a plan: on Now and on the plan pages until a person
acknowledges them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.formatting import NBSP
from portal.mitigations import services as mitigations
from portal.mitigations.consent import Consent
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import SessionState, Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.portal.ends import end_of, posted_end
from tests.portal.standby.conftest import again, mitigations_of, says, takes, words
from tests.portal.standby.plan_ends import (
    ACKNOWLEDGE,
    LIST,
    NOW_PAGE,
    _withdraws,
    ends_of,
    forgets,
    waiting,
)

pytestmark = pytest.mark.sqlite
NAME = "Shop, full flood"
STANDBY = "/organizations/acme/standby"


def stopped(*, holder: str = "Both providers hold the plan.", because: str = "") -> str:
    return (
        rf"Northgate stopped filtering for the plan {NAME} on its own at \d\d:\d\d{because}\. "
        rf"{holder}"
    )


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
