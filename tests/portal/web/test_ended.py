"""Requests that ended on their own stay on Now until a person acknowledges them, also while others
are live.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest, ProviderConflict
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.web.requests.ended import SHOWN
from tests.conftest import ClientOf
from tests.portal.ends import end_of, posted_end
from tests.portal.identities import make_everything_ready
from tests.portal.web.conftest import ended, filtering, mitigations_of, one_line, text_of

NOW_PAGE = "/organizations/acme/"
LIST = "/organizations/acme/requests?status=unacknowledged"
ACKNOWLEDGE = "/organizations/acme/requests/acknowledge"
WIDE, PART = "203.0.113.0/27", "203.0.113.7/32"

AskFor = Callable[..., MitigationRequest]


@pytest.fixture
def ask(
    acme: Organization, alice: User, shop: ProtectedResource, acme_northgate: Subscription
) -> AskFor:
    def ask(prefix: str, *, renews: bool = True) -> MitigationRequest:
        every = tuple(MitigationRequest.objects.values_list("pk", flat=True))
        request = services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(prefixes=(prefix,), auto_renew=renews),
            consent=Consent(named=every),
        )
        return MitigationRequest.objects.get(pk=request.pk)

    return ask


@pytest.fixture
def browser(alice: User, ask: AskFor, client_of: ClientOf) -> Client:
    make_everything_ready()
    return client_of(alice)


@pytest.fixture
def expire(ask: AskFor) -> Callable[[str], MitigationRequest]:
    def expire(prefix: str) -> MitigationRequest:
        request = ask(prefix, renews=False)
        filtering(mitigations_of(request)[0])
        request.mitigations.update(expires_at=timezone.now() - timedelta(seconds=1))
        services.mark_expired(now=timezone.now())
        return request

    return expire


@pytest.fixture
def replaced(ask: AskFor) -> MitigationRequest:
    """Northgate filtered for a /27; a newer request for one of its addresses, which is live, ended
    that.
    """
    wide = ask(WIDE)
    filtering(mitigations_of(wide)[0])
    filtering(mitigations_of(ask(PART))[0])
    services.record_superseded(
        mitigation_id=mitigations_of(wide)[0].pk,
        conflict=ProviderConflict(reason="newer"),
        now=timezone.now(),
    )
    return wide


def section(page: str) -> str:
    return page[page.index('aria-labelledby="ended-h"') : page.index("</section>")]


STOPPED = f"Northgate stopped filtering {WIDE}: the newer request covers only {PART}."


def test_a_request_that_lost_its_filter_is_above_the_live_cards_with_what_to_do(
    browser: Client, replaced: MitigationRequest
) -> None:
    newer = MitigationRequest.objects.exclude(pk=replaced.pk).get()

    page = browser.get(NOW_PAGE).content.decode()

    said = section(page)
    assert STOPPED in text_of(said)
    assert "is-bad" in said
    assert page.index('aria-labelledby="ended-h"') < page.index('aria-label="Live requests"')
    assert f'href="{newer.get_absolute_url()}"' in said
    assert "Request again for both" in text_of(said)
    assert f'name="one" value="{posted_end(replaced)}"' in one_line(said)


def test_requesting_both_again_fills_one_form_with_both(
    browser: Client, replaced: MitigationRequest
) -> None:
    newer = MitigationRequest.objects.exclude(pk=replaced.pk).get()
    page = browser.get(replaced.get_absolute_url()).content.decode()
    [link] = re.findall(r'href="([^"]+)">Request again for both<', page)

    form = browser.get(html.unescape(link)).content.decode()

    asked = parse_qs(urlsplit(html.unescape(link)).query)["again"]
    assert asked == [str(replaced.pk), str(newer.pk)]
    assert f'value="{WIDE}"' in form
    assert "This replaces 203.0.113.7/32. This request covers all its targets too." in text_of(form)
    assert ">Send request</button>" in form


def test_the_page_of_a_replaced_request_names_the_targets_no_longer_filtered(
    browser: Client, replaced: MitigationRequest
) -> None:
    page = browser.get(replaced.get_absolute_url()).content.decode()

    assert f'<h1 id="h" tabindex="-1">{STOPPED}</h1>' in page
    assert '<div class="say is-bad">' in page
    assert "same addresses." not in page
    assert '<a class="btn" href="/organizations/acme/requests/new?again=' in page
    assert re.search(
        r'<button class="btn btn--plain" name="ended_at" value="[^"]+"[^>]*>Acknowledge<',
        one_line(page),
    )


def test_a_request_covered_by_a_newer_one_is_not_on_the_now_page(
    browser: Client, ask: AskFor
) -> None:
    part = ask(PART)
    filtering(mitigations_of(part)[0])
    ask(WIDE)
    services.record_superseded(
        mitigation_id=mitigations_of(part)[0].pk,
        conflict=ProviderConflict(reason="newer"),
        now=timezone.now(),
    )

    page = browser.get(part.get_absolute_url()).content.decode()

    assert "Replaced by a newer request that covers all of it." in page
    assert '<div class="say is-idle">' in page
    assert ">Request again<" in page
    assert "ended-h" not in browser.get(NOW_PAGE).content.decode()


def test_a_calm_page_leads_with_an_expired_request(
    browser: Client, expire: Callable[[str], MitigationRequest]
) -> None:
    request = expire(PART)

    page = browser.get(NOW_PAGE).content.decode()

    [headline] = re.findall(r'<h1 id="h" tabindex="-1">([^<]+)</h1>', page)
    assert headline.startswith("203.0.113.7/32: The lifetime ran out")
    assert "Nothing is being mitigated." in text_of(page)
    assert f"<title>Expired – {request.name}" in page
    assert "Request again" in text_of(section(page))


def test_an_expired_request_stays_while_others_are_live_until_it_is_acknowledged(
    browser: Client, ask: AskFor, expire: Callable[[str], MitigationRequest]
) -> None:
    gone = expire(PART)
    filtering(mitigations_of(ask("203.0.113.32/32"))[0])
    assert "The lifetime ran out" in section(browser.get(NOW_PAGE).content.decode())

    answer = browser.post(ACKNOWLEDGE, {"one": posted_end(gone)})

    assert answer["Location"] == f"{NOW_PAGE}#h"
    assert "ended-h" not in browser.get(NOW_PAGE).content.decode()
    page = browser.get(gone.get_absolute_url()).content.decode()
    assert "alice acknowledged that mitigation ended." in page
    assert ">Acknowledge<" not in page


def test_one_click_acknowledges_only_the_shown_requests(
    browser: Client, expire: Callable[[str], MitigationRequest]
) -> None:
    shown = [expire(f"203.0.113.{index}/32") for index in range(2)]
    page = browser.get(NOW_PAGE).content.decode()
    late = expire("203.0.113.9/32")

    ids = re.findall(r'name="ends"\s+value="([^"]+)"', page)
    browser.post(ACKNOWLEDGE, {"ends": ids})

    assert "Acknowledge all 2" in page
    assert set(ids) == {posted_end(one) for one in shown}
    left = section(browser.get(NOW_PAGE).content.decode())
    assert late.name in left
    assert "Acknowledge all" not in left


def test_some_ends_are_named_and_the_rest_counted_and_linked(
    browser: Client, expire: Callable[[str], MitigationRequest]
) -> None:
    for index in range(SHOWN + 2):
        expire(f"203.0.113.{index}/32")

    page = section(browser.get(NOW_PAGE).content.decode())
    listed = browser.get(LIST).content.decode()
    assert page.count('name="one"') == SHOWN
    assert f'href="{LIST}">2 more</a>' in page
    assert f"Acknowledge all {SHOWN + 2}" in one_line(listed)

    ids = re.findall(r'name="ends"\s+value="([^"]+)"', listed)
    answer = browser.post(
        ACKNOWLEDGE, {"ends": ids, "back": "requests", "shown": "status=unacknowledged"}
    )
    assert answer["Location"] == LIST
    assert "Nothing matches." in browser.get(LIST).content.decode()


def test_two_people_acknowledging_at_once_is_harmless(
    browser: Client, dana: User, client_of: ClientOf, expire: Callable[[str], MitigationRequest]
) -> None:
    gone = expire(PART)
    browser.post(ACKNOWLEDGE, {"one": posted_end(gone)})

    answer = client_of(dana).post(ACKNOWLEDGE, {"one": posted_end(gone)}, follow=True)

    assert answer.status_code == 200
    assert 'class="note is-warn' not in answer.content.decode()
    assert Event.objects.filter(type="request.acknowledged").count() == 1


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"one": "x"},
        {"ends": ["", "\0"]},
        {"one": "9" * 50},
        {"one": "00000000-0000-4000-8000-000000000000 x"},
        {"one": "00000000-0000-4000-8000-000000000000 9999-12-31T23:59:59-23:59"},
    ],
)
def test_invalid_ids_acknowledge_nothing_and_get_an_error_page(
    browser: Client, expire: Callable[[str], MitigationRequest], typed: dict[str, str]
) -> None:
    expire(PART)

    answer = browser.post(ACKNOWLEDGE, typed, follow=True)

    assert answer.status_code == 200
    assert "ended-h" in answer.content.decode()


def test_a_viewer_sees_ended_requests_without_a_button(
    bob: User, client_of: ClientOf, expire: Callable[[str], MitigationRequest]
) -> None:
    expire(PART)

    page = section(client_of(bob).get(NOW_PAGE).content.decode())

    assert "The lifetime ran out" in page
    assert "Acknowledge" not in page
    assert "requests/new" not in page


def test_a_request_terminated_by_a_person_is_not_shown(
    browser: Client, alice: User, ask: AskFor
) -> None:
    request = ask(PART)
    filtering(mitigations_of(request)[0])
    ended(request, alice)

    page = browser.get(NOW_PAGE).content.decode()

    assert "ended-h" not in page
    assert "Ready. Nothing is being mitigated." in page


def test_the_page_of_an_ended_request_updates_until_it_is_acknowledged(
    browser: Client, alice: User, expire: Callable[[str], MitigationRequest]
) -> None:
    gone = expire(PART)
    url = gone.get_absolute_url()
    assert 'id="refresh"' in browser.get(url).content.decode()

    services.acknowledge(end_of(gone), actor=Actor.person(alice))

    assert 'id="refresh"' not in browser.get(url).content.decode()
