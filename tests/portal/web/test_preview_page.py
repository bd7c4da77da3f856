from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks

from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from portal.providers.models import SessionState, Subscription
from portal.web.requests.preview_page import typed
from portal.web.requests.request_form import RequestForm
from tests.conftest import ClientOf
from tests.factories import ResourceFactory
from tests.portal.web.conftest import Ask, filtering, mitigations_of, one_line, text_of
from tests.portal.web.conftest import ask as ask
from tests.portal.web.test_markup import Page

URL = "/organizations/acme/requests/preview"
NEW = "/organizations/acme/requests/new"


@pytest.fixture
def browser(
    dana: User, client_of: ClientOf, acme_northgate: Subscription, acme_tidewall: Subscription
) -> Client:
    return client_of(dana)


@pytest.fixture(autouse=True)
def _shop(shop: object) -> None:
    """Acme may protect 203.0.113.0/26."""


def shown(browser: Client, **fields: Any) -> str:
    answer = browser.post(URL, {"other": "203.0.113.7", **fields})
    assert answer.status_code == 200
    return text_of(answer.content.decode()).replace("\u00a0", " ")


def test_each_provider_has_its_message_and_when_it_is_sent(
    browser: Client, acme_northgate: Subscription
) -> None:
    page = shown(browser, ports="443", protocols=["6"])

    assert "1. Northgate gets this now" in page
    assert (
        "2. Tidewall gets this only if Northgate refuses, is over capacity, stops, "
        "or does not answer within 10 s" in page
    )
    assert "TCP, port 443" in page
    path = f"cuid={acme_northgate.cuid}/mid={acme_northgate.next_mid}"
    assert path in page
    assert '"target-prefix": [ "203.0.113.7/32" ]' in " ".join(page.split()).replace("&quot;", '"')
    assert "Nothing has been sent." in page


def test_parallel_sends_all_messages_now(browser: Client) -> None:
    page = shown(browser, strategy="parallel")

    assert "1. Northgate gets this now" in page
    assert "2. Tidewall gets this now" in page
    assert "Northgate and Tidewall filter at the same time" in page


def test_the_size_is_measured_against_the_limit(browser: Client) -> None:
    page = Page(browser.post(URL, {"other": "203.0.113.7"}).content.decode())

    first, second = page.all("meter")
    assert first["max"] == "1195"
    assert 60 < int(first["value"]) < 140
    assert first["aria-label"] == "Size of the message to Northgate"
    assert second["aria-label"] == "Size of the message to Tidewall"


def test_a_preview_sends_and_saves_nothing(
    browser: Client,
    acme_northgate: Subscription,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with (
        CaptureQueriesContext(connection) as captured,
        django_capture_on_commit_callbacks() as woken,
    ):
        browser.post(URL, {"other": "203.0.113.7"})

    assert [one["sql"] for one in captured if not one["sql"].startswith("SELECT")] == []
    assert woken == []
    assert not MitigationRequest.objects.exists()
    assert not Event.objects.exists()


def test_the_previewed_messages_are_sent(browser: Client) -> None:
    page = Page(
        browser.post(
            URL, {"other": "203.0.113.7", "ports": "443", "reason": "a\nb"}
        ).content.decode()
    )
    hidden = [(one["name"], one["value"]) for one in page.all("input") if one["type"] == "hidden"]
    fields = urlencode([pair for pair in hidden if pair[0] != "csrfmiddlewaretoken"])

    sent = browser.generic("POST", NEW, fields, content_type="application/x-www-form-urlencoded")

    assert sent.status_code == 302
    request = MitigationRequest.objects.get()
    assert list(request.scope.texts) == ["203.0.113.7/32"]
    assert request.ports == (PortRange(443, 443),)
    assert request.reason == "a\nb"


def test_going_back_to_the_form_loses_nothing(browser: Client) -> None:
    page = Page(
        browser.post(
            URL, {"other": "203.0.113.7", "ports": "443", "renew": "0", "lifetime": "14400"}
        ).content.decode()
    )
    hidden = [(one["name"], one["value"]) for one in page.all("input") if one["type"] == "hidden"]
    fields = urlencode([*hidden, ("change", "1")])

    back = browser.generic("POST", NEW, fields, content_type="application/x-www-form-urlencoded")

    form = one_line(back.content.decode())
    assert back.status_code == 200
    assert 'value="203.0.113.7"' in form
    assert 'value="443"' in form
    assert 'name="renew" value="0" checked' in form
    assert '<option value="14400" selected>' in form
    assert not MitigationRequest.objects.exists()


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
unreadable = texts.filter(lambda text: len(text) < 5 and not any(map(str.isalnum, text)))
"""Typed as a protocol; the form keeps it as it is, where it turns a name into its number."""


@given(
    form=st.builds(
        RequestForm,
        key=st.uuids().map(str),
        resources=st.lists(texts, max_size=3).map(tuple),
        other=texts,
        ports=texts,
        protocols=st.lists(unreadable, max_size=3).map(tuple),
        lifetime=texts,
        renew=st.booleans(),
        strategy=texts,
        subscriptions=st.none() | st.lists(texts, max_size=3).map(tuple),
        reason=texts,
        errors=st.just(()),
    )
)
def test_the_hidden_fields_contain_the_whole_form(form: RequestForm) -> None:
    again = RequestForm.typed(QueryDict(urlencode(typed(form))))

    assert again == form
    assert {field.name for field in fields(form)} == {
        "key", "resources", "other", "ports", "protocols", "lifetime", "renew", "strategy",
        "subscriptions", "reason", "errors",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("typed_in", "sentence"),
    [
        ({"other": "203.0.113.7/24"}, "the part after /24 must be zero"),
        ({"other": "203.0.113.7", "ports": "x"}, "x is not a port."),
        ({"other": ""}, "Choose at least one target."),
        ({"other": "198.51.100.1"}, "is not one of Acme’s verified resources"),
    ],
)
def test_errors_equal_those_of_sending(
    browser: Client, typed_in: dict[str, str], sentence: str
) -> None:
    answer = browser.post(URL, typed_in)

    assert answer.status_code == 400
    assert sentence in text_of(answer.content.decode())
    assert "Nothing was sent." in answer.content.decode()


def test_an_overlap_with_a_live_request_is_shown(browser: Client, ask: Ask) -> None:
    live = ask()
    filtering(mitigations_of(live)[0])

    page = browser.post(URL, {"other": "203.0.113.7"}).content.decode()

    assert live.get_absolute_url() in page
    assert "Already protected by Shop front-end." in page
    assert "Send only this" in page
    assert "None of these providers holds" not in page


def test_the_page_says_that_nothing_overlaps(browser: Client) -> None:
    assert "None of these providers holds a live request for these addresses." in shown(browser)


def test_a_missing_connection_is_shown(browser: Client, acme_northgate: Subscription) -> None:
    acme_northgate.session_state = SessionState.DOWN
    acme_northgate.save(update_fields=["session_state"])

    page = shown(browser)

    assert "The portal has no connection to Northgate at the moment." in page
    assert "no connection to Tidewall" not in page


def test_a_message_for_some_targets_names_the_others(
    browser: Client, acme: Organization, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    ResourceFactory.create(organization=acme, value="198.51.100.0/24")
    acme_northgate.limited_to = (ip_network("203.0.113.0/24"),)
    acme_northgate.save(update_fields=["limited_to"])

    page = shown(browser, other="203.0.113.7, 198.51.100.7")
    alone = shown(browser, other="198.51.100.7")

    assert "Not all of the request: Northgate may protect only 203.0.113.0/24." in page
    assert "Northgate does not get this" in alone


def test_the_form_offers_the_preview_and_its_url_redirects_to_the_form(browser: Client) -> None:
    form = Page(browser.get(NEW).content.decode())

    assert [one.get("formaction") for one in form.all("button") if "formaction" in one] == [URL]
    assert browser.get(URL)["Location"] == NEW


def test_the_preview_says_that_a_second_person_approves_first(
    browser: Client, acme: Organization
) -> None:
    sent = {"other": "203.0.113.7", "key": "one-form"}
    before = one_line(browser.post(URL, sent).content.decode())
    acme.approval = "all"
    acme.save()

    after = one_line(browser.post(URL, sent).content.decode())

    assert "leaves the portal when you send the request." in before
    assert "leaves the portal once another person approves the request." in after
    assert "Acme’s policy asks a second person for every request." in after
