"""The page Alerts, and what detectors report on the page of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.endpoint_policy import EndpointPolicy
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertProposal, Incident, ProposalState
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.follow import follow
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.web.now.page import PROPOSALS
from tests.conftest import ApiOf, ClientOf
from tests.portal.web.conftest import words_of

ALERTS = "/organizations/acme/alerts"
HOLD_DOWN = timedelta(seconds=EndpointPolicy().hold_down_s)
API = "/api/v1/organizations/acme/proposals"
Detect = Callable[..., AlertProposal | None]


@pytest.fixture
def detect(
    alice: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> Detect:
    """A detector reports an attack; returns the newest open proposal."""
    wish = EndpointWish(name="Edge", source=AlertSource.PLAIN)
    endpoint, _ = add_endpoint(organization=acme, actor=Actor.person(alice), wish=wish)

    def detect(**fields: Any) -> AlertProposal | None:
        body = {"id": "a-1", "targets": ["203.0.113.7"], "vector": "udp flood", **fields}
        accept(endpoint, json.dumps(body).encode(), timezone.now())
        map_waiting()
        return AlertProposal.objects.filter(state=ProposalState.OPEN).order_by("-made_at").first()

    return detect


def preview_on(answer: Any) -> str:
    found = re.search(r'name="preview" value="([0-9a-f]{64})"', answer.content.decode())
    assert found, words_of(answer)
    return found[1]


def test_a_proposal_shows_what_it_would_send_and_one_tap_sends_it(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect(bps=1_200_000_000, pps=150_000)
    assert made is not None
    browser = client_of(dana)
    shown = browser.get(ALERTS)
    said = words_of(shown)
    assert "1 proposal waits for a decision." in said
    assert "Protect 203.0.113.7/32" in said
    assert "Edge: udp flood, 1.2 Gbit/s, 150,000 packets/s." in said
    assert "Northgate, at once:" in said
    assert said.count("1 proposal") == 3

    sent = browser.post(
        f"/organizations/acme/proposals/{made.pk}/confirm", {"preview": preview_on(shown)}
    )

    request = MitigationRequest.objects.get()
    assert sent.headers["Location"].startswith(request.get_absolute_url())
    assert "What detectors report Edge: udp flood, 1.2 Gbit/s" in words_of(
        browser.get(request.get_absolute_url())
    )
    later = words_of(browser.get(ALERTS))
    assert "Protect 203.0.113.7/32: dana confirmed." in later


def test_a_person_edits_a_proposal_in_the_form_of_a_request(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    detect(protocols=[17], ports=[53])
    browser = client_of(dana)
    page = browser.get(ALERTS).content.decode()
    form = page.partition('action="/organizations/acme/requests/new"')[2].partition("</form>")[0]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))

    filled = browser.post("/organizations/acme/requests/new", fields).content.decode()

    assert fields["change"] == "1"
    assert "203.0.113.7/32" in filled
    assert 'value="53"' in filled
    assert not MitigationRequest.objects.exists()


def test_a_proposal_that_changed_meanwhile_sends_nothing_and_says_so(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect()
    assert made is not None
    browser = client_of(dana)
    seen = preview_on(browser.get(ALERTS))
    detect(id="a-2", targets=["203.0.113.0/28"])

    answer = browser.post(
        f"/organizations/acme/proposals/{made.pk}/confirm", {"preview": seen}, follow=True
    )

    assert "would now send something else than you saw" in words_of(answer)
    assert not MitigationRequest.objects.exists()


def test_a_proposal_that_no_provider_can_take_says_why_and_has_no_button(
    dana: User, detect: Detect, acme: Organization, client_of: ClientOf
) -> None:
    Organization.objects.filter(pk=acme.pk).update(shortest_prefix_v4=32)
    detect(targets=["203.0.113.0/28"])

    page = client_of(dana).get(ALERTS)

    assert "Send request" not in words_of(page).partition("Proposals")[2].partition("Ongoing")[0]
    assert 'class="small warned"' in page.content.decode()


def test_dismissing_needs_a_reason_that_the_history_shows(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect()
    assert made is not None
    browser = client_of(dana)
    path = f"/organizations/acme/proposals/{made.pk}/dismiss"

    refused = browser.post(path, {"reason": " "})
    assert (refused.status_code, "Say why" in words_of(refused)) == (400, True)
    assert "<title>Error: Alerts" in refused.content.decode()
    said = words_of(browser.post(path, {"reason": "A load test"}, follow=True))

    assert "Your detectors propose nothing." in said
    assert "Protect 203.0.113.7/32: dana dismissed it. “A load test”" in said
    again = browser.post(path, {"reason": "Twice"}, follow=True)
    assert "Someone else decided about this proposal" in words_of(again)


def test_the_end_is_proposed_with_the_request_that_still_filters(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect(state="start")
    assert made is not None
    browser = client_of(dana)
    seen = preview_on(browser.get(ALERTS))
    browser.post(f"/organizations/acme/proposals/{made.pk}/confirm", {"preview": seen})
    detect(state="end")
    assert "Ending" in words_of(browser.get(ALERTS))
    follow(timezone.now() + HOLD_DOWN)

    shown = words_of(browser.get(ALERTS))
    assert "Terminate the request for 203.0.113.7/32" in shown
    end = AlertProposal.objects.get(state=ProposalState.OPEN)
    browser.post(f"/organizations/acme/proposals/{end.pk}/confirm")

    assert MitigationRequest.objects.get().terminate_asked_by == dana
    assert "Ended" in words_of(browser.get(ALERTS))


def test_a_viewer_sees_proposals_without_buttons(
    bob: User, detect: Detect, client_of: ClientOf
) -> None:
    detect()

    page = client_of(bob).get(ALERTS)

    assert "Protect 203.0.113.7/32" in words_of(page)
    assert "/confirm" not in page.content.decode()


def test_people_of_another_organization_see_and_decide_nothing(
    charlie: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect()
    assert made is not None
    browser = client_of(charlie)

    assert "203.0.113.7" not in words_of(browser.get("/organizations/globex/alerts"))
    for act in ("confirm", "dismiss"):
        path = f"/organizations/globex/proposals/{made.pk}/{act}"
        assert browser.post(path, {"reason": "x"}).status_code == 404


def test_the_page_without_a_detector_says_so(
    bob: User, acme: Organization, client_of: ClientOf
) -> None:
    assert "No detector is connected." in words_of(client_of(bob).get(ALERTS))


def test_the_api_lists_incidents_and_proposals_and_confirms_what_was_seen(
    dana: User, detect: Detect, api_of: ApiOf
) -> None:
    made = detect(bps=5)
    api = api_of(dana)

    [incident] = api.get("/api/v1/organizations/acme/incidents").json()["results"]
    [listed] = api.get(API).json()["results"]
    assert made is not None
    shown = api.get(f"{API}/{made.pk}").json()
    assert (incident["state"], incident["targets"]) == ("ongoing", ["203.0.113.7/32"])
    assert (incident["bps"], incident["request"]) == (5, None)
    assert (listed["id"], listed["state"], listed["act"]) == (str(made.pk), "open", "mitigate")
    assert shown["lines"][1] == "203.0.113.7/32"

    unseen = api.post(f"{API}/{made.pk}/confirm", {})
    assert (unseen.status_code, unseen.json()["code"]) == (409, "preview-changed")
    assert unseen.json()["preview"] == shown["preview"]
    first = api.post(f"{API}/{made.pk}/confirm", {"preview": shown["preview"]})
    second = api.post(f"{API}/{made.pk}/confirm", {"preview": shown["preview"]})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"] == str(Incident.objects.get().request_id)
    over = api.post(f"{API}/{made.pk}/dismiss", {"reason": "late"})
    assert (over.status_code, over.json()["code"]) == (409, "proposal-over")


def test_the_api_dismisses_with_a_reason(dana: User, detect: Detect, api_of: ApiOf) -> None:
    made = detect()
    assert made is not None
    api = api_of(dana)

    blank = api.post(f"{API}/{made.pk}/dismiss", {"reason": "  "})
    assert (blank.status_code, blank.json()["errors"][0]["field"]) == (400, "reason")
    done = api.post(f"{API}/{made.pk}/dismiss", {"reason": "A load test"}).json()
    assert (done["state"], done["decided_by"], done["reason"]) == (
        "dismissed", "dana", "A load test",
    )  # fmt: skip


NOW = "/organizations/acme/"


def test_now_opens_with_a_proposal_and_one_tap_sends_it(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect(bps=1_200_000_000)
    assert made is not None
    browser = client_of(dana)
    shown = browser.get(NOW)
    said = words_of(shown)
    assert "1 proposal waits for a decision." in said
    assert "Protect 203.0.113.7/32" in said
    assert "Northgate, at once:" in said

    sent = browser.post(
        f"/organizations/acme/proposals/{made.pk}/confirm",
        {"preview": preview_on(shown), "back": "now"},
    )

    request = MitigationRequest.objects.get()
    assert sent.headers["Location"].startswith(request.get_absolute_url())
    assert "Proposals of your detectors" not in words_of(browser.get(NOW))


def test_now_keeps_its_headline_beside_a_proposal_while_something_is_live(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    first = detect()
    assert first is not None
    browser = client_of(dana)
    preview = preview_on(browser.get(NOW))
    browser.post(f"/organizations/acme/proposals/{first.pk}/confirm", {"preview": preview})
    detect(id="a-2", targets=["203.0.113.33"])

    page = browser.get(NOW)

    assert "proposal waits" not in words_of(page).partition("Proposals of your detectors")[0]
    assert "Protect 203.0.113.33/32" in words_of(page)


def test_a_refused_confirmation_returns_to_the_page_where_it_was_seen(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    made = detect()
    assert made is not None
    browser, url = client_of(dana), f"/organizations/acme/proposals/{made.pk}/confirm"

    from_now = browser.post(url, {"preview": "0" * 64, "back": "now"})
    from_alerts = browser.post(url, {"preview": "0" * 64, "back": "elsewhere"})

    assert (from_now.headers["Location"], from_alerts.headers["Location"]) == (NOW, ALERTS)
    assert "would now send something else than you saw" in words_of(browser.get(NOW))
    assert not MitigationRequest.objects.exists()


def test_a_viewer_sees_a_proposal_on_now_without_its_buttons(
    bob: User, detect: Detect, client_of: ClientOf
) -> None:
    detect()

    page = client_of(bob).get(NOW)

    assert "Protect 203.0.113.7/32" in words_of(page)
    assert "Send request" not in words_of(page)


def test_now_shows_three_proposals_and_counts_the_rest(
    dana: User, detect: Detect, client_of: ClientOf
) -> None:
    for number in range(PROPOSALS + 2):
        detect(id=f"a-{number}", targets=[f"203.0.113.{number * 4 + 1}"])

    said = words_of(client_of(dana).get(NOW))

    assert PROPOSALS == 3
    assert said.count("Proposed ") == 3
    assert said.count("Nothing is sent before someone confirms.") == 1
    assert "2 more in Alerts" in said
