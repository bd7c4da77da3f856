from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.organizations.models import Organization
from portal.providers.models import SessionState, Subscription
from portal.signaling.actions.next_action import (
    Action,
    MitigationHistory,
    lifetime_to_ask,
    next_action,
)
from portal.signaling.mapping import scope_of
from portal.signaling.previews.extension_messages import extension
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of, sent
from tests.portal.web.conftest import ask as ask
from tests.portal.web.test_markup import Page


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


@pytest.fixture
def live(ask: Ask) -> MitigationRequest:
    """Both providers filter."""
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)
    return request


def url(request: MitigationRequest) -> str:
    return f"{request.get_absolute_url()}/extend/preview"


def page_of(browser: Client, request: MitigationRequest, **choice: Any) -> str:
    answer = browser.get(url(request), choice)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ").split())


def grants(subscription: Subscription, **limits: object) -> None:
    for name, value in limits.items():
        setattr(subscription.provider, name, value)
    subscription.provider.save(update_fields=list(limits))


def marked(page: str, tag: str) -> list[str]:
    found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", page, flags=re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", one)).split()) for one in found]


def test_each_provider_has_its_message_before_and_after(
    browser: Client, live: MitigationRequest
) -> None:
    page = page_of(browser, live, lifetime=14400)

    assert marked(page, "del") == ['Removed: − "lifetime": 3600'] * 2
    assert marked(page, "ins") == ['Added: + "lifetime": 14400'] * 2
    words = text_of(page)
    assert "Nothing has been sent." in words
    assert "Northgate gets this now Before 1 hour, ends at" in words
    assert "Tidewall gets this now" in words
    assert "After 4 hours from when you extend, renews automatically" in words
    mitigation = mitigations_of(live)[0]
    assert f"cuid={mitigation.subscription.cuid}/mid={mitigation.mid}" in words
    first, second = Page(page).all("meter")
    assert first["max"] == "1195"
    assert 60 < int(first["value"]) < 140
    assert second["aria-label"] == "Size of the message to Tidewall"


def test_the_button_sends_the_previewed_extension(browser: Client, live: MitigationRequest) -> None:
    previewed = extension(live, 43200)
    page = Page(page_of(browser, live, lifetime=43200))
    [form] = [one for one in page.all("form") if one.get("action", "").endswith("/extend")]
    [button] = [one for one in page.all("button") if one.get("name") == "lifetime"]
    assert "Extend for 12 hours" in text_of(page_of(browser, live, lifetime=43200))

    browser.post(form["action"], {"lifetime": button["value"]})

    now = timezone.now()
    for mitigation, refresh in zip(
        live.mitigations.select_related("request").order_by("position"),
        previewed.messages,
        strict=True,
    ):
        assert (
            next_action(mitigation, MitigationHistory(is_introduced=True), now).action
            == Action.REFRESH
        )
        scope = scope_of(mitigation, lifetime_s=lifetime_to_ask(mitigation, now))
        assert scope.lifetime == refresh.lifetime_s
        assert refresh.after.path.endswith(f"/mid={mitigation.mid}")


def test_the_request_panel_links_to_it_without_javascript(
    browser: Client, live: MitigationRequest
) -> None:
    page = Page(browser.get(live.get_absolute_url()).content.decode())
    assert url(live) in [one["href"] for one in page.all("a")]

    # The first lifetime other than the current one.
    shown = Page(page_of(browser, live))
    [button] = [one for one in shown.all("button") if one.get("name") == "lifetime"]
    here = [one["href"] for one in shown.all("a") if one.get("aria-current") == "true"]
    assert (button["value"], here) == ("14400", ["?lifetime=14400"])
    offered = [one["href"] for one in shown.all("a") if one["href"].startswith("?lifetime=")]
    assert offered == [f"?lifetime={hours * 3600}" for hours in (1, 4, 12, 24)] + ["?lifetime=-1"]


def test_a_preview_sends_and_saves_nothing(
    browser: Client,
    live: MitigationRequest,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    before = list(live.mitigations.values()), Event.objects.count()
    with (
        CaptureQueriesContext(connection) as captured,
        django_capture_on_commit_callbacks() as woken,
    ):
        browser.get(url(live), {"lifetime": "14400"})

    assert [one["sql"] for one in captured if not one["sql"].startswith("SELECT")] == []
    assert woken == []
    assert (list(live.mitigations.values()), Event.objects.count()) == before
    live.refresh_from_db()
    assert live.lifetime_s == 3600


def test_a_provider_that_grants_less_is_asked_for_less_and_the_page_says_so(
    browser: Client, live: MitigationRequest, acme_tidewall: Subscription
) -> None:
    grants(acme_tidewall, max_lifetime_s=7200, may_be_indefinite=False)

    longer, endless = page_of(browser, live, lifetime=14400), page_of(browser, live, lifetime=-1)

    assert marked(longer, "ins") == ['Added: + "lifetime": 14400', 'Added: + "lifetime": 7200']
    assert (
        "2 hours from when you extend, renews automatically. Tidewall allows at most 2 hours."
        in text_of(longer)
    )
    assert marked(endless, "ins") == ['Added: + "lifetime": -1', 'Added: + "lifetime": 7200']
    assert "Tidewall does not allow requests without an end." in text_of(endless)
    assert "After Until you terminate it" in text_of(endless)
    assert "Extend until you terminate it" in text_of(endless)
    assert "Filtering continues until you terminate, if the provider grants that." in text_of(
        endless
    )


def test_the_same_lifetime_is_the_same_message_with_a_restarted_lifetime(
    browser: Client, live: MitigationRequest
) -> None:
    page = page_of(browser, live, lifetime=3600)

    assert (marked(page, "del"), marked(page, "ins")) == ([], [])
    assert text_of(page).count("The message is the same. It only restarts the lifetime.") == 2


def test_a_provider_that_gets_no_message_is_named_with_the_reason(
    browser: Client, ask: Ask
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])

    words = text_of(page_of(browser, request, lifetime=14400))

    assert "Tidewall does not get this Not asked. The portal asks it if Northgate refuses" in words
    assert "If Tidewall is asked later, it will be asked to filter for 4 hours." in words


def test_refused_and_withdrawn_providers_get_no_message(
    browser: Client, live: MitigationRequest, dana: User
) -> None:
    northgate, tidewall = mitigations_of(live)
    services.withdraw_provider(
        request_id=live.pk, mitigation_id=northgate.pk, actor=Actor.person(dana)
    )
    services.extend(request_id=live.pk, actor=Actor.person(dana), lifetime_s=7200)

    words = text_of(page_of(browser, live, lifetime=14400))

    assert "Northgate does not get this" in words
    assert "dana withdrew it at" in words
    assert "If Northgate is asked later" not in words
    # Before: the last request to Tidewall, although it has not confirmed it.
    assert "Tidewall gets this now Before 2 hours, not confirmed yet" in words
    tidewall.refresh_from_db()
    assert tidewall.lifetime_s == 7200


def test_the_page_distinguishes_unsent_from_unanswered(browser: Client, ask: Ask) -> None:
    request = ask(Strategy.PARALLEL)
    sent(mitigations_of(request)[0], timezone.now())

    page = page_of(browser, request, lifetime=14400)

    words = text_of(page)
    assert "Northgate gets this as soon as it answers" in words
    assert "Until it does, the portal repeats the earlier message." in words
    assert "Tidewall gets this as its first message" in words
    assert "Nothing has been sent to Tidewall." in words
    assert 'Added: + "target-prefix": [' in marked(page, "ins")


def test_a_provider_that_asked_to_wait_gets_it_later(browser: Client, ask: Ask) -> None:
    request = ask(Strategy.PARALLEL)
    mitigation, now = mitigations_of(request)[0], timezone.now()
    sent(mitigation, now)
    again_at = now + timedelta(minutes=3)
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="", retry_at=again_at, now=now
    )

    words = text_of(page_of(browser, request, lifetime=14400))

    assert (
        f"Northgate gets this at {again_at:%H:%M:%S} It asked the portal to retry later." in words
    )


def test_no_provider_gets_a_message_when_all_refused(browser: Client, ask: Ask) -> None:
    request = ask(Strategy.PARALLEL)
    for mitigation in mitigations_of(request):
        now = timezone.now()
        sent(mitigation, now)
        services.record_refused(mitigation_id=mitigation.pk, code="4.03", reason="", now=now)

    words = text_of(page_of(browser, request, lifetime=14400))

    assert "Nothing will be sent now" in words
    assert "Northgate refused at" in words
    assert "If Northgate is asked later, it will be asked to filter for 4 hours." in words


def test_a_missing_connection_and_renewal_are_named(
    browser: Client, live: MitigationRequest, acme_northgate: Subscription
) -> None:
    MitigationRequest.objects.update(auto_renew=False)
    acme_northgate.session_state = SessionState.DOWN
    acme_northgate.save(update_fields=["session_state"])

    words = text_of(page_of(browser, live, lifetime=14400))

    assert "The portal has no connection to Northgate at the moment." in words
    assert "no connection to Tidewall" not in words
    assert "After 4 hours from when you extend {" in words
    assert "The request ends when that time is over, unless you extend it again." in words


@pytest.mark.parametrize(
    ("lifetime", "sentence"),
    [
        ("999999999", "Acme allows at most 24 hours."),
        ("1", "A lifetime of 1 s is too short."),
        ("-1", "Acme does not allow requests without an end."),
        ("--5", "A lifetime of 0 s is too short."),
        ("soon", "A lifetime of 0 s is too short."),
        ("", "A lifetime of 0 s is too short."),
        ("9" * 5000, "A lifetime of 0 s is too short."),
    ],
)
def test_an_invalid_lifetime_gives_the_error_of_extending(
    browser: Client, acme: Organization, live: MitigationRequest, lifetime: str, sentence: str
) -> None:
    acme.may_be_indefinite = False
    acme.save(update_fields=["may_be_indefinite"])
    previewed = browser.get(url(live), {"lifetime": lifetime}, follow=True)
    extended = browser.post(
        f"{live.get_absolute_url()}/extend", {"lifetime": lifetime}, follow=True
    )

    assert previewed.redirect_chain == extended.redirect_chain
    for answer in (previewed, extended):
        assert sentence in text_of(answer.content.decode())


def test_an_ended_request_has_no_preview(
    browser: Client, live: MitigationRequest, alice: User
) -> None:
    ended(live, alice)

    answer = browser.get(url(live), follow=True)

    assert "alice terminated this at" in text_of(answer.content.decode())
    assert answer.redirect_chain[0][0] == f"{live.get_absolute_url()}#h"


def test_the_page_takes_a_known_number_of_queries(browser: Client, live: MitigationRequest) -> None:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        browser.get(url(live), {"lifetime": "14400"})

    assert len(captured) <= 16
