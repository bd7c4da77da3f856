"""Unknown mitigations on the Now page and Readiness, and the actions there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.inventory import services
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import ProtectedResource
from portal.providers.models import SessionState, Subscription
from tests.conftest import ClientOf
from tests.portal.identities import make_everything_ready
from tests.portal.inventory.conftest import Record, one, reported
from tests.portal.mitigations.conftest import Submit

NOW_PAGE = "/organizations/acme/"
READINESS = "/organizations/acme/readiness"


@pytest.fixture(autouse=True)
def _all_well(shop: ProtectedResource, acme_northgate: Subscription) -> None:
    make_everything_ready()


def page(person: User, client_of: ClientOf, path: str = NOW_PAGE) -> str:
    return " ".join(client_of(person).get(path).content.decode().split())


def url(action: str) -> str:
    return f"/organizations/acme/unknown-mitigations/{one().pk}/{action}"


def test_the_page_leads_with_an_unknown_mitigation_and_is_not_calm(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4))

    shown = page(dana, client_of)

    assert ">Northgate filters 203.0.113.0/26. No request here asked for it.</h1>" in shown
    assert "Nothing is being mitigated" not in shown
    assert f'data-unknown="{one().pk}"' in shown
    assert 'data-status="mitigating"' in shown
    assert f'action="{url("adopt")}"' in shown
    assert f'action="{url("withdraw")}"' in shown


def test_an_unknown_mitigation_is_not_the_headline_beside_a_live_request(
    record: Record, submit: Submit, dana: User, client_of: ClientOf
) -> None:
    submit()
    record(reported(41))

    shown = page(dana, client_of)

    assert "Not requested here" in shown
    assert "No request here asked for it.</h1>" not in shown
    assert shown.index("data-request=") < shown.index("data-unknown=")


def test_a_viewer_sees_an_unknown_mitigation_without_buttons(
    record: Record, bob: User, client_of: ClientOf
) -> None:
    record(reported(4))

    shown = page(bob, client_of)

    assert "Northgate filters 203.0.113.0/26." in shown
    assert "/adopt" not in shown
    assert "/withdraw" not in shown


def test_the_page_says_why_a_mitigation_can_only_be_withdrawn(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4, "198.51.100.0/24"))

    shown = page(dana, client_of)

    assert "It cannot be adopted. 198.51.100.0/24 is not one of Acme’s verified resources." in shown
    assert "/adopt" not in shown
    assert f'action="{url("withdraw")}"' in shown


def test_adopting_redirects_to_the_request(record: Record, dana: User, client_of: ClientOf) -> None:
    record(reported(4))
    browser = client_of(dana)

    answer = browser.post(url("adopt"))

    request = MitigationRequest.objects.get()
    assert answer["Location"] == f"/organizations/acme/requests/{request.pk}#h"
    shown = " ".join(browser.get(answer["Location"]).content.decode().split())
    assert "Northgate reports it is filtering" in shown
    assert "dana adopted an existing mitigation for Shop front-end." in shown
    assert "data-unknown=" not in page(dana, client_of)


def test_the_page_shows_a_refused_adoption(record: Record, dana: User, client_of: ClientOf) -> None:
    record(reported(4, dots_status=5))
    browser = client_of(dana)

    answer = browser.post(url("adopt"), follow=True)

    assert "It was not adopted. Northgate is winding it down." in answer.content.decode()


def test_withdrawing_asks_for_confirmation_without_javascript(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4))
    browser = client_of(dana)
    asked = browser.get(url("withdraw")).content.decode()
    assert "Withdraw it at Northgate?" in asked
    assert "The traffic it filters now will reach you." in asked

    answer = browser.post(url("withdraw"))

    assert answer["Location"] == NOW_PAGE
    assert one().withdrawn_by == dana
    shown = page(dana, client_of)
    assert "Stop request not confirmed yet." in shown
    assert "/withdraw" not in shown
    # Nothing is left to ask.
    assert browser.get(url("withdraw")).status_code == 302


def test_the_page_offers_a_call_to_an_unreachable_provider(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(reported(4))
    services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
    Subscription.objects.update(session_state=SessionState.DOWN)

    shown = page(dana, client_of)

    assert "Stop request not confirmed yet: unreachable" in shown
    assert "cuid ours, mid 4" in shown
    assert "Call +1 555 0142" in shown


def test_an_old_report_looks_old(record: Record, dana: User, client_of: ClientOf) -> None:
    record(reported(4), at=timezone.now() - timedelta(minutes=10))

    shown = page(dana, client_of)

    assert "this is the last known status." in shown
    assert "chip--old" in shown


def test_mitigations_beyond_the_limit_are_counted(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(*(reported(mid) for mid in range(services.MAX_UNKNOWN + 2)))

    assert "2 more are not listed here" in page(dana, client_of)


def test_readiness_links_to_unknown_mitigations(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    assert 'data-code="inventory"' not in page(dana, client_of, READINESS)
    record(reported(4))

    shown = page(dana, client_of, READINESS)

    assert 'data-code="inventory"' in shown
    assert "It filters 203.0.113.0/26. No request here asked for it." in shown
    assert f'href="{NOW_PAGE}#unknown"' in shown


def test_readiness_names_a_provider_that_gives_no_list(
    record: Record, dana: User, client_of: ClientOf
) -> None:
    record(refusal="4.05")

    assert "It refuses to list what it holds (code 4.05)" in page(dana, client_of, READINESS)


def test_another_tenant_does_not_see_unknown_mitigations(
    record: Record, charlie: User, client_of: ClientOf
) -> None:
    record(reported(4))

    shown = page(charlie, client_of, "/organizations/globex/")

    assert "203.0.113.0/26" not in shown
    for action in ("adopt", "withdraw"):
        assert client_of(charlie).post(url(action)).status_code == 404


def test_provider_text_is_escaped(record: Record, dana: User, client_of: ClientOf) -> None:
    record(reported(4, more={"aliases": ["<script>alert(1)</script>"]}))

    shown = page(dana, client_of)

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
