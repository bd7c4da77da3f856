from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import SessionState, Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ClientOf
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of, says
from tests.portal.web.conftest import one_line

STANDBY = "/organizations/acme/standby"


@pytest.fixture
def held(prepare: Prepare) -> StandbyPlan:
    """A plan that both providers hold."""
    plan = prepare()
    for mitigation in mitigations_of(plan.request):
        holds(mitigation)
    return again(plan)


def lose(subscription: Subscription, *, since_s: int = 60) -> None:
    subscription.session_state = SessionState.DOWN
    subscription.session_since = timezone.now() - timedelta(seconds=since_s)
    subscription.save(update_fields=["session_state", "session_since"])


def test_an_empty_page_says_what_a_plan_is(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    page = client_of(alice).get(STANDBY).content.decode()

    assert "Nothing is prepared." in page
    assert "They filter when you activate it, or automatically" in page
    assert f"{STANDBY}/new" in page


def test_the_page_leads_with_who_holds_each_plan(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    page = client_of(alice).get(STANDBY).content.decode()

    assert "Shop, full flood: Both providers hold the plan." in page
    assert page.count("Holds the plan.") == 2
    assert 'data-status="standby"' in page


def test_a_provider_that_does_not_hold_it_is_named_first(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    mitigation = mitigations_of(held.request)[1]
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=timezone.now())
    now = timezone.now()
    mitigations.record_refused(
        mitigation_id=mitigation.pk, code="4.03", reason="no contract", now=now
    )

    page = client_of(alice).get(STANDBY).content.decode()

    assert "Tidewall refused; Northgate holds the plan." in page
    assert "Tidewall says: no contract. Retrying at" in page


def test_the_page_names_the_unknown_while_contact_is_lost(
    alice: User, held: StandbyPlan, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    lose(acme_northgate)

    page = client_of(alice).get(held.get_absolute_url()).content.decode()

    assert "Contact lost at" in page
    assert (
        "If Northgate sees an attack, it activates this plan automatically; "
        "no one can confirm that now." in page
    )
    assert "Northgate held the plan when contact was lost; Tidewall holds the plan." in page


def test_the_page_says_what_happened_after_contact_returns(
    alice: User, held: StandbyPlan, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    now = timezone.now()
    began = now - timedelta(minutes=17)
    acme_northgate.session_since = now - timedelta(seconds=30)
    acme_northgate.save(update_fields=["session_since"])
    says(mitigations_of(held.request)[0], 2, mitigation_start=began, bps_dropped=10**8)

    page = client_of(alice).get(held.get_absolute_url()).content.decode()

    assert (
        f"Contact again at {acme_northgate.session_since:%H:%M}."
        f" Northgate had activated the plan at {began:%H:%M}." in page
    )
    assert (
        f"It had activated the plan at {began:%H:%M:%S}; the portal only learned of it now." in page
    )
    assert "See what is filtered" in page


def test_an_activation_during_contact_is_not_called_unseen(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    says(mitigations_of(held.request)[0], 1, mitigation_start=timezone.now())

    page = client_of(alice).get(held.get_absolute_url()).content.decode()

    assert "Northgate activated the plan automatically at" in page
    assert "Contact again" not in page
    assert "It does not filter yet." in page


def test_an_activated_plan_says_until_when_filtering_is_certain_and_asks_for_no_report(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    for mitigation in mitigations_of(held.request):
        says(mitigation, 2, lifetime_s=7200)
    ends_at = mitigations_of(held.request)[0].expires_at
    assert ends_at is not None

    page = client_of(alice).get(held.request.get_absolute_url()).content.decode()

    assert "It ends when the attack does, or when you stop it." in page
    assert "activate the plan before that to keep filtering." in page
    assert f"{ends_at:%H:%M}" in page
    assert "How does it look from your side?" not in page


def test_the_page_names_an_old_version_that_filters_while_a_newer_one_waits(
    alice: User, held: StandbyPlan, shop: ProtectedResource, client_of: ClientOf
) -> None:
    services.change_plan(
        plan_id=held.pk,
        actor=Actor.person(alice),
        submission=Submission(resources=(shop.pk,), ports=(PortRange(80, 80),)),
    )
    says(mitigations_of(held.request)[0], 2)

    page = client_of(alice).get(held.get_absolute_url()).content.decode()

    assert (
        "Northgate filters for the previous version. The new version is held once it has stopped."
        in page
    )
    assert f'href="{held.request.get_absolute_url()}"' in page


def test_an_activated_plan_is_on_the_now_page_and_can_be_ended_there(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    assert "othing is being mitigated." in browser.get("/organizations/acme/").content.decode()
    says(mitigations_of(held.request)[0], 2)

    page = browser.get("/organizations/acme/").content.decode()
    assert "Northgate reports it is filtering; Tidewall holds the plan." in page
    assert f"{held.request.get_absolute_url()}/terminate" in page
    question = browser.get(f"{held.request.get_absolute_url()}/terminate").content.decode()
    assert "The plan is then off: no provider holds it until you turn it on again." in question
    browser.post(f"{held.request.get_absolute_url()}/terminate")

    assert not again(held).is_on
    page = browser.get("/organizations/acme/").content.decode()
    assert "Telling both providers to release the plan." in page


def test_a_plan_is_created_with_a_name_and_ticked_resources(
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
    client_of: ClientOf,
) -> None:
    browser = client_of(alice)
    form = browser.get(f"{STANDBY}/new").content.decode()
    assert "What should this plan protect?" in form
    assert '<option value="86400" selected>' in form

    answer = browser.post(
        f"{STANDBY}/new",
        {"name": "Shop, full flood", "resources": str(shop.pk), "choosing": "1", "key": "k1",
         "lifetime": "86400", "subscriptions": [str(acme_northgate.pk)]},
    )  # fmt: skip

    plan = StandbyPlan.objects.get()
    assert answer["Location"] == f"{plan.get_absolute_url()}#h"
    assert plan.request.subscriptions == (acme_northgate.pk,)


def test_a_refused_plan_lists_every_error(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    answer = client_of(alice).post(
        f"{STANDBY}/new", {"name": " ", "other": "203.0.113.7/24", "ports": "443-80"}
    )

    page = one_line(answer.content.decode())
    assert answer.status_code == 400
    assert "Nothing was sent. Correct three things." in page
    assert "Give the plan a name that people recognize under stress" in page
    assert "203.0.113.7/24 is not a network address" in page
    assert "The range 443–80 is reversed." in page


def test_fixing_a_target_keeps_the_name(
    alice: User, shop: ProtectedResource, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    answer = client_of(alice).post(
        f"{STANDBY}/new",
        {
            "name": "Shop",
            "other": "203.0.113.7/24",
            "fix": "in=other&wrong=203.0.113.7/24&by=203.0.113.7/32",
        },
    )

    page = answer.content.decode()
    assert 'value="Shop"' in page
    assert 'value="203.0.113.7/32"' in page


def test_an_overlap_with_another_plan_has_an_error_at_the_targets(
    alice: User, held: StandbyPlan, shop: ProtectedResource, client_of: ClientOf
) -> None:
    answer = client_of(alice).post(f"{STANDBY}/new", {"name": "Another", "resources": str(shop.pk)})

    assert answer.status_code == 400
    assert "The plan Shop, full flood already covers some of these targets." in (
        answer.content.decode()
    )


def test_the_form_to_change_a_plan_is_filled_from_it(
    alice: User, held: StandbyPlan, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    form = browser.get(f"{held.get_absolute_url()}/edit").content.decode()
    assert 'value="Shop, full flood"' in form
    assert f'value="{shop.pk}" checked' in form
    assert "If a provider refuses the new version, it keeps the old one." in form

    answer = browser.post(
        f"{held.get_absolute_url()}/edit",
        {"name": "Shop", "resources": str(shop.pk), "protocols": "17"},
    )

    assert answer.status_code == 302
    changed = again(held)
    assert (changed.name, changed.request.protocols) == ("Shop", (17,))
    assert browser.post(f"{held.get_absolute_url()}/edit", {"name": ""}).status_code == 400


def test_a_plan_is_activated_in_two_interactions(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    question = browser.get(f"{held.get_absolute_url()}/activate").content.decode()
    assert "Northgate and Tidewall will be asked to filter 203.0.113.0/26 now." in question

    answer = browser.post(f"{held.get_absolute_url()}/activate", {"key": "k1"})

    asked = MitigationRequest.objects.get(kind="immediate")
    assert answer["Location"] == f"{asked.get_absolute_url()}#h"
    page = browser.get(held.get_absolute_url()).content.decode()
    assert "alice activated this plan at" in page
    assert "Open the request" in page
    assert "Activate…" not in page
    again_answer = browser.post(f"{held.get_absolute_url()}/activate", {"key": "k2"})
    assert again_answer["Location"].startswith(asked.get_absolute_url())
    assert MitigationRequest.objects.filter(kind="immediate").count() == 1


def test_a_plan_is_turned_off_turned_on_and_removed(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    browser, url = client_of(alice), held.get_absolute_url()

    browser.post(f"{url}/turn-off")
    for mitigation in mitigations_of(held.request):
        says(mitigation, 6)
    page = browser.get(url).content.decode()
    assert "The plan is off. Both providers confirmed." in page
    assert "alice turned it off at" in page
    assert "1\u00a0plan is off." in browser.get(STANDBY).content.decode() or "No plan is on." in (
        browser.get(STANDBY).content.decode()
    )
    browser.post(f"{url}/turn-on")
    assert again(held).is_on
    browser.post(f"{url}/turn-off")
    browser.post(f"{url}/remove")

    assert browser.get(url).status_code == 404


@pytest.mark.parametrize(
    ("lifetime_s", "agreed"), [(3600, "1\u00a0hour at a time"), (-1, "Until you turn it off")]
)
def test_the_side_of_a_plan_says_that_it_was_turned_off_and_stays_current(
    alice: User, prepare: Prepare, client_of: ClientOf, lifetime_s: int, agreed: str
) -> None:
    plan = prepare(lifetime_s=lifetime_s)
    browser, url = client_of(alice), plan.get_absolute_url()
    page = browser.get(url).content.decode()
    assert "parts=plan,lanes,side,time" in page

    browser.post(f"{url}/turn-off")
    for mitigation in mitigations_of(plan.request):
        says(mitigation, 6)
    part = browser.get(f"{url}?parts=side", headers={"HX-Request": "true"}).content.decode()

    assert 'id="p-side" hx-swap-oob="true"' in part
    assert f"{agreed}; turned off by alice" in part


def test_a_viewer_sees_who_may_change_a_plan(
    bob: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    page = client_of(bob).get(held.get_absolute_url()).content.decode()

    assert (
        "You can see plans but not change or activate them: your role is viewer. alice can." in page
    )
    assert "Activate…" not in page
    assert "Turn off…" not in page


def test_another_organization_finds_nothing(
    charlie: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    browser = client_of(charlie)
    theirs = held.get_absolute_url().replace("/acme/", "/globex/")

    assert browser.get(STANDBY).status_code == 404
    assert browser.get(theirs).status_code == 404
    assert browser.post(f"{theirs}/activate").status_code == 404
    assert browser.post(f"{theirs}/turn-off").status_code == 404


def test_a_refresh_returns_only_the_fragments(
    alice: User, held: StandbyPlan, client_of: ClientOf
) -> None:
    part = client_of(alice).get(
        held.get_absolute_url(), {"parts": "plan,lanes,nonsense"}, headers={"HX-Request": "true"}
    )

    text = part.content.decode()
    assert 'id="p-plan" hx-swap-oob="true"' in text
    assert 'id="p-lanes" hx-swap-oob="true"' in text
    assert "<html" not in text
