from __future__ import annotations

import re
from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import SessionState, Subscription
from portal.providers.services import set_order
from portal.readiness.drills import drills_of
from portal.signaling.models import SignalWorker
from portal.standby import queries
from portal.standby import services as standby
from portal.standby.models import Drill, Failure
from portal.web.readiness.page import DRILLS_PER_PAGE
from tests.conftest import ApiOf, ClientOf
from tests.factories import (
    PRIVATE_KEY,
    MembershipFactory,
    ProviderFactory,
    SubscriptionFactory,
    UserFactory,
)
from tests.portal.identities import pem
from tests.portal.readiness.drilled import NOW_PAGE, PAGE, passed
from tests.portal.standby.conftest import holds

DRILLS = f"{PAGE}/drills"
API = "/api/v1/organizations/acme/readiness"


def test_the_page_is_ready_and_shows_the_last_drill_when_all_checks_pass(
    alice: User, all_well: None, client_of: ClientOf
) -> None:
    page = client_of(alice).get(PAGE).content.decode()

    assert "Ready. All 15 checks pass." in page
    assert "3\u00a0days ago, both providers confirmed within 1.4\u00a0s." in page
    assert 'data-l="Confirmed in">1.4\u00a0s' in page
    assert 'data-l="Withdrawn in">1.1\u00a0s' in page
    assert "every 2s" not in page
    assert "Fix soon" not in page
    assert ">Checked at" in page.replace("\n", "").replace("checks pass. ", ">")


def test_the_signal_workers_last_report_has_its_age(
    alice: User, all_well: None, client_of: ClientOf
) -> None:
    SignalWorker.objects.filter(name="one").update(seen_at=timezone.now() - timedelta(seconds=9))
    SignalWorker.objects.create(name="two", seen_at=timezone.now() - timedelta(minutes=5))

    assert "Last sign of life 9\u00a0s ago." in client_of(alice).get(PAGE).content.decode()


def test_failed_checks_come_first_with_the_worst_on_top(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    Subscription.objects.filter(priority=1).update(session_state=SessionState.DOWN)
    Subscription.objects.filter(priority=2).update(certificate_chain=pem(12))

    page = client_of(alice).get(PAGE).content.decode()

    assert "Not ready: Northgate is not connected." in page
    assert page.index("Fix now") < page.index("Fix soon") < page.index("<h2>Providers</h2>")
    assert "Tidewall certificate" in page


def test_a_viewer_sees_readiness_and_cannot_start_a_drill(
    bob: User, all_well: None, client_of: ClientOf
) -> None:
    page = client_of(bob).get(PAGE).content.decode()

    assert "Ready." in page
    assert "Run a drill" not in page
    assert client_of(bob).post(DRILLS).status_code == 403


def test_an_empty_organization_sees_what_is_missing(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    page = client_of(alice).get(PAGE).content.decode()

    assert "Not ready: there is no provider to ask. Fix two things now." in page
    assert "There are none yet." in page


def test_only_members_resources_and_drills_of_the_organization_count(
    charlie: User, acme: Organization, globex: Organization, all_well: None, client_of: ClientOf
) -> None:
    browser = client_of(charlie)

    for path in (PAGE, DRILLS):
        assert browser.get(path).status_code == 404
    assert browser.post(DRILLS).status_code == 404
    own = browser.get(PAGE.replace("acme", "globex")).content.decode()
    for word in ("Northgate", "Shop front-end", "alice", "3\u00a0days ago"):
        assert word not in own


def test_a_drill_starts_with_one_click_and_the_page_shows_it_running(
    dana: User, everything_ready: None, client_of: ClientOf
) -> None:
    browser = client_of(dana)

    answer = browser.post(DRILLS, follow=True)

    page = answer.content.decode()
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "A drill has been running since" in page
    assert "started by dana." in page
    assert "Run a drill" not in page
    assert "Asking" in page
    for path in (PAGE, DRILLS):
        assert 'hx-trigger="every 2s"' in browser.get(path).content.decode()


def test_the_page_says_why_a_drill_cannot_start(
    dana: User, everything_ready: None, client_of: ClientOf
) -> None:
    browser = client_of(dana)
    browser.post(DRILLS)

    page = browser.post(DRILLS, follow=True).content.decode()

    assert "dana started a drill at" in page
    assert Drill.objects.count() == 1


def test_a_failed_drill_names_the_provider_and_the_reason(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    passed(acme, alice, ago=timedelta(hours=1), failure=Failure.NO_ANSWER)

    page = client_of(alice).get(PAGE).content.decode()

    assert "Ready. Fix one thing soon." in page
    assert "Northgate did not confirm in time." in page


def test_a_drill_that_ends_between_two_queries_is_not_shown_as_running(
    alice: User, acme: Organization, all_well: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = passed(acme, alice, ago=timedelta(0))
    running.ended_at = None
    monkeypatch.setattr(queries, "last_drill", lambda _: running)

    last, best = drills_of(acme)

    assert last == best
    assert last is not None
    assert last.is_over


def test_all_drills_are_listed_in_pages(
    alice: User, acme: Organization, everything_ready: None, client_of: ClientOf
) -> None:
    begin = timezone.now()
    Drill.objects.bulk_create(
        Drill(
            organization=acme,
            started_at=begin - timedelta(days=n),
            started_by=alice,
            ended_at=begin,
        )
        for n in range(DRILLS_PER_PAGE + 1)
    )
    browser = client_of(alice)

    first, second = (browser.get(f"{DRILLS}?page={n}").content.decode() for n in (1, 2))

    assert first.count("by alice</h2>") == DRILLS_PER_PAGE
    assert 'href="?page=2"' in first
    assert second.count("by alice</h2>") == 1
    for odd in ("x", "-1", "999999999", "٣"):
        assert browser.get(DRILLS, {"page": odd}).status_code == 200


def test_before_the_first_drill_the_list_says_so(
    bob: User, acme: Organization, client_of: ClientOf
) -> None:
    assert "No drill has been run yet." in client_of(bob).get(DRILLS).content.decode()


@pytest.mark.parametrize(("path", "part"), [(PAGE, "readiness"), (DRILLS, "drills")])
def test_a_refresh_returns_only_the_fragment(
    alice: User, all_well: None, client_of: ClientOf, path: str, part: str
) -> None:
    answer = client_of(alice).get(path, {"parts": part}, headers={"HX-Request": "true"})

    text = answer.content.decode()
    assert f'id="p-{part}" hx-swap-oob="true"' in text
    assert "<html" not in text


def looped(acme: Organization, person: User, subscription: Subscription) -> None:
    """Only the request to this provider looped between gateways."""
    request = mitigations.submit(
        organization=acme,
        actor=Actor.person(person),
        submission=Submission(prefixes=("203.0.113.1/32",), subscriptions=(subscription.pk,)),
    )
    mitigation = request.mitigations.get()
    now = timezone.now()
    mitigations.record_sending(mitigation_id=mitigation.pk, now=now)
    mitigations.record_refused(
        mitigation_id=mitigation.pk, code="5.08", reason="edge-1, core-2", now=now
    )


@pytest.mark.rule("SC-107")
def test_a_loop_is_shown_until_a_message_gets_through(
    alice: User,
    acme: Organization,
    acme_northgate: Subscription,
    all_well: None,
    client_of: ClientOf,
) -> None:
    looped(acme, alice, acme_northgate)

    page = client_of(alice).get(PAGE).content.decode()

    assert "Not ready: requests do not reach Northgate." in page
    assert "it looped through edge-1 and core-2." in page

    mitigation = MitigationRequest.objects.get(status="failing").mitigations.get()
    now = timezone.now()
    mitigations.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=60, asked_at=now, now=now)

    assert "went round" not in client_of(alice).get(PAGE).content.decode()


def test_a_loop_is_no_longer_shown_after_the_connection_settings_change(
    alice: User,
    acme: Organization,
    acme_northgate: Subscription,
    all_well: None,
    client_of: ClientOf,
) -> None:
    looped(acme, alice, acme_northgate)

    set_order(subscription=acme_northgate, priority=1, enabled=True)

    assert "went round" not in client_of(alice).get(PAGE).content.decode()


def test_the_number_of_queries_does_not_grow(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    browser = client_of(alice)

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(PAGE).status_code == 200
        return len(captured)

    before = count()
    for n in range(4):
        MembershipFactory.create(organization=acme, user=UserFactory.create(username=f"p{n}"))
        SubscriptionFactory.create(
            organization=acme, provider=ProviderFactory.create(), priority=10 + n
        )

    assert count() == before
    assert before <= 18


def test_programs_read_the_same_rows_by_stable_codes(
    bob: User, acme_tidewall: Subscription, all_well: None, api_of: ApiOf
) -> None:
    Subscription.objects.filter(pk=acme_tidewall.pk).update(certificate_chain=pem(12))

    answer = api_of(bob).get(API)

    body = answer.json()
    assert answer.status_code == 200
    assert body["state"] == "warn"
    assert body["headline"] == "Ready. Fix one thing soon."
    assert body["counts"] == {"pass": 14, "warn": 1, "fail": 0}
    assert body["checked_at"].endswith("Z")
    [certificate] = [
        row
        for row in body["checks"]
        if row["code"] == "certificate" and row["about"] == str(acme_tidewall.pk)
    ]
    assert certificate == {
        "code": "certificate",
        "about": str(acme_tidewall.pk),
        "group": "providers",
        "state": "warn",
        "question": "Tidewall certificate",
        "evidence": ANY,
    }
    assert certificate["evidence"].startswith("Expires in 11\u00a0days")
    assert PRIVATE_KEY not in answer.content
    assert b"BEGIN" not in answer.content


def test_another_tenants_readiness_is_not_found(
    charlie: User, acme: Organization, api_of: ApiOf
) -> None:
    assert api_of(charlie).get(API).status_code == 404


def test_a_plan_is_held_only_by_providers_that_confirmed_it(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    submission = Submission(prefixes=("203.0.113.1/32",), strategy="parallel")
    plan = standby.create_plan(
        organization=acme, actor=Actor.person(alice), name="Shop, full flood", submission=submission
    )
    browser = client_of(alice)
    first, second = plan.request.mitigations.order_by("position")

    before = browser.get(PAGE).content.decode()
    holds(first)
    half = browser.get(NOW_PAGE).content.decode()
    holds(second)
    after = browser.get(NOW_PAGE).content.decode()

    assert "Both providers have not confirmed that they hold it." in before
    assert "Fix one thing soon." in half
    assert "Tidewall does not hold “Shop, full flood”." in half
    assert "Both providers hold it. Confirmed" in after
    assert f'href="{plan.get_absolute_url()}">Standby plan “Shop, full flood”</a>' in after
    assert "All 16 checks pass." in after


def test_a_plan_that_is_off_is_not_shown_as_prepared(
    alice: User, acme: Organization, all_well: None, client_of: ClientOf
) -> None:
    submission = Submission(prefixes=("203.0.113.1/32",), strategy="parallel")
    plan = standby.create_plan(
        organization=acme, actor=Actor.person(alice), name="Off", submission=submission
    )
    standby.turn_off(plan_id=plan.pk, actor=Actor.person(alice))

    assert "Standby plan" not in client_of(alice).get(PAGE).content.decode()


def test_the_rows_of_a_provider_lead_to_its_page(
    alice: User, all_well: None, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    acme_northgate.certificate_chain = pem(10, "acme")
    acme_northgate.save(update_fields=["certificate_chain"])

    page = client_of(alice).get(PAGE).content.decode()

    own = f"/organizations/acme/settings/providers/{acme_northgate.provider_id}"
    rows = re.findall(r'data-code="(session|certificate)".*?</li>', page, re.DOTALL)
    links = re.findall(rf'href="{own}">(\w+)', page)
    assert len(rows) == 4
    assert links == ["Renew", "Open"]
    assert "Expires in" in page
    shown = client_of(alice).get(own).content.decode()
    assert "Renew it: afterwards Northgate accepts no request." in shown


def test_a_suspended_organization_is_not_ready(
    alice: User, all_well: None, acme: Organization, client_of: ClientOf
) -> None:
    acme.suspended_at, acme.suspension_reason = timezone.now(), "Unpaid since September"
    acme.save(update_fields=["suspended_at", "suspension_reason"])

    readiness, now = (client_of(alice).get(path).content.decode() for path in (PAGE, NOW_PAGE))

    assert "Not ready: Acme is suspended." in readiness
    assert "Not ready: Acme is suspended." in now
    assert "Ready. Nothing is being mitigated." not in now
