from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, Strategy
from portal.mitigations.states import Trigger
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import SessionState, Subscription
from tests.conftest import ClientOf
from tests.portal.identities import make_everything_ready
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, reports, sent

pytestmark = pytest.mark.sqlite

NOW_PAGE = "/organizations/acme/"


@pytest.fixture
def both(acme_northgate: Subscription, acme_tidewall: Subscription) -> None:
    """Two providers, connected and healthy."""
    make_everything_ready()


def test_a_calm_page_shows_its_evidence_and_tiles_open_a_ticked_form(
    alice: User, both: None, shop: ProtectedResource, client_of: ClientOf
) -> None:
    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Ready. Nothing is being mitigated." in page
    assert "Both providers are connected." in page
    assert f"/organizations/acme/requests/new?resource={shop.pk}" in page


def test_the_page_is_not_ready_after_losing_a_provider(
    alice: User, both: None, acme_tidewall: Subscription, client_of: ClientOf
) -> None:
    acme_tidewall.session_state = SessionState.DOWN
    acme_tidewall.session_detail = "no route"
    acme_tidewall.save(update_fields=["session_state", "session_detail"])

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Tidewall is not connected." in page
    assert "no route" in page
    assert "Ready." not in page


def test_a_new_tenant_sees_the_first_steps(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Two things to do before you can ask for help" in page


def test_the_rate_of_a_silent_provider_looks_old(
    alice: User, both: None, ask: Ask, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    one = mitigations_of(ask())[0]
    filtering(one)
    browser = client_of(alice)
    assert "Mbit/s dropped</small>" in browser.get(NOW_PAGE).content.decode()

    long_ago = timezone.now() - timedelta(minutes=10)
    Mitigation.objects.filter(pk=one.pk).update(last_heard_at=long_ago)
    Subscription.objects.filter(pk=acme_northgate.pk).update(last_heard_at=long_ago)

    assert "Mbit/s dropped, last reported</small>" in browser.get(NOW_PAGE).content.decode()


def test_the_worst_live_request_comes_first(alice: User, ask: Ask, client_of: ClientOf) -> None:
    good, bad = ask(Strategy.PARALLEL), ask()
    for one in mitigations_of(good):
        filtering(one)
    filtering(mitigations_of(bad)[0])
    reports(mitigations_of(bad)[0], Trigger.CAPACITY_EXCEEDED, timezone.now())

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "<h1" in page
    assert "Northgate cannot stop all of the attack on Shop front-end." in page
    assert page.index(f'data-request="{bad.pk}"') < page.index(f'data-request="{good.pk}"')
    assert "Asked because" in page or "Nothing has left the portal for Tidewall" in page


def test_rows_keep_their_order_on_the_screen_and_say_so(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    good, bad = ask(), ask()
    filtering(mitigations_of(good)[0])
    sent(mitigations_of(bad)[0], timezone.now() - timedelta(seconds=40))
    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))
    order = f"{good.pk},{bad.pk}"

    part = client_of(alice).get(
        NOW_PAGE, {"parts": "now", "order": order}, headers={"HX-Request": "true"}
    )

    text = part.content.decode()
    assert text.index(f'data-request="{good.pk}"') < text.index(f'data-request="{bad.pk}"')
    assert "2 changed places. Sort again" in text


def test_a_refresh_returns_only_the_fragments_and_the_announcement(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    filtering(mitigations_of(ask())[0])

    part = client_of(alice).get(
        NOW_PAGE, {"parts": "now,nonsense", "after": "0"}, headers={"HX-Request": "true"}
    )

    text = part.content.decode()
    assert 'id="p-now" hx-swap-oob="true"' in text
    assert "<html" not in text
    assert "alice requested mitigation for Shop front-end." in text
    assert "Northgate: mitigating." in text
    assert "<title>Mitigating – Shop front-end – Acme" in text


def test_healthy_requests_are_collapsed_beyond_six_live_ones(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    for _ in range(7):
        filtering(mitigations_of(ask())[0])

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert page.count("card--line") == 7


def test_a_terminated_request_is_recent_and_needs_no_acknowledgement(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    ended(request, alice)
    make_everything_ready()

    page = client_of(alice).get(NOW_PAGE).content.decode()

    assert "Ready. Nothing is being mitigated." in page
    assert "Recent requests" in page
    # Only unrequested ends need an acknowledgement.
    assert "Not acknowledged" not in page


def test_a_viewer_sees_live_requests_without_a_request_button(
    bob: User, ask: Ask, client_of: ClientOf
) -> None:
    filtering(mitigations_of(ask())[0])

    page = client_of(bob).get(NOW_PAGE).content.decode()

    assert "Northgate reports it is filtering." in page
    assert "requests/new" not in page
    assert "/terminate" not in page


def test_the_start_page_redirects_to_the_first_organization(
    alice: User, client_of: ClientOf
) -> None:
    assert client_of(alice).get("/")["Location"] == NOW_PAGE


def test_a_person_without_an_organization_gets_a_page_that_says_so(
    bob: User, client_of: ClientOf
) -> None:
    bob.memberships.all().delete()

    assert "You are not in an organization yet." in client_of(bob).get("/").content.decode()


def test_portal_staff_start_on_the_staff_site(mo: User, client_of: ClientOf) -> None:
    assert client_of(mo).get("/")["Location"] == "/portal/organizations/"


def test_another_organizations_page_does_not_exist_for_charlie(
    charlie: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()

    browser = client_of(charlie)

    for path in (NOW_PAGE, f"{NOW_PAGE}requests", request.get_absolute_url()):
        assert browser.get(path).status_code == 404
    own = browser.get(request.get_absolute_url().replace("acme", "globex"))
    assert own.status_code == 404
