"""Settings › Alerts: detectors that the portal polls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.alerts.models import AlertEndpoint, AlertPoll
from portal.core import secrets
from tests.conftest import ClientOf
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN, Answer, Sightline, serving
from tests.portal.alerts.polled import poll
from tests.portal.web.alert_endpoints import LIST, NEW, page_of
from tests.portal.web.conftest import words_of


@pytest.fixture
def api(settings: Any) -> Iterator[Sightline]:
    settings.PORTAL_ALERT_NETWORKS = [ip_network("127.0.0.0/8")]
    own = Sightline()
    with serving(own):
        yield own


def add(browser: Any, **fields: str) -> Any:
    return browser.post(NEW, {"name": "Sightline", "source": "sightline", **fields})


def test_a_polled_detector_has_an_account_instead_of_a_secret(
    alice: User, client_of: ClientOf, api: Sightline
) -> None:
    browser = client_of(alice)
    made = add(browser, poll_url=api.url, poll_secret=TOKEN)
    endpoint = AlertEndpoint.objects.get()
    page = browser.get(page_of(endpoint))

    assert made.status_code == 200
    for shown in (words_of(made), words_of(page)):
        assert "Sightline: Waits for its first poll" in shown
        assert "The portal has not asked yet." in shown
        assert "Make a new secret" not in shown
        assert "/api/v1/alerts/" not in shown
        assert TOKEN not in shown
    assert f'value="{api.url}"' in page.content.decode()


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"poll_secret": TOKEN}, "poll_url", "Enter the address, such as"),
        ({"poll_url": "sightline"}, "poll_url", "Enter an address such as"),
        ({"poll_url": "https://sightline.example"}, "poll_secret", "Enter the secret"),
    ],
)
def test_an_error_is_at_its_field(
    alice: User, client_of: ClientOf, fields: dict[str, str], field: str, message: str
) -> None:
    answer = add(client_of(alice), **fields)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert re.search(rf'id="{field}-e"\s+role="alert">.*{message}', page), words_of(answer)
    assert TOKEN not in page


def test_a_page_says_how_the_last_poll_went(
    alice: User, client_of: ClientOf, api: Sightline
) -> None:
    browser = client_of(alice)
    add(browser, poll_url=api.url, poll_secret=TOKEN)
    endpoint = AlertEndpoint.objects.get()
    api.instead = [Answer(401)]
    poll(endpoint)
    failed, listed = browser.get(page_of(endpoint)), browser.get(LIST)
    poll(endpoint)
    works = browser.get(page_of(endpoint))

    for shown in (failed, listed):
        assert "The last poll failed" in words_of(shown)
        assert "The detector refuses the token or key. (HTTP 401)" in words_of(shown)
    assert "Sightline: Polled" in words_of(works)
    assert "The portal asked last" in words_of(works)


def test_test_now_shows_what_the_detector_answers(
    alice: User, client_of: ClientOf, api: Sightline
) -> None:
    browser = client_of(alice)
    add(browser, poll_url=api.url, poll_secret=TOKEN)
    endpoint = AlertEndpoint.objects.get()
    api.begin("1", "203.0.113.7", timezone.now())
    good = browser.post(page_of(endpoint, "/test-poll"))
    api.instead = [Answer(500, b"<script>alert(1)</script>")]
    bad = browser.post(page_of(endpoint, "/test-poll"))

    assert "The detector answers HTTP 200, in the form that the portal reads." in words_of(good)
    assert "203.0.113.7" in words_of(good)
    assert "The detector failed to answer. (HTTP 500)" in words_of(bad)
    assert b"<script>alert" not in bad.content


def test_a_detector_that_calls_cannot_be_tested_so(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)
    browser.post(NEW, {"name": "Edge", "source": "plain"})
    endpoint = AlertEndpoint.objects.get()
    answer = browser.post(page_of(endpoint, "/test-poll"), follow=True)

    assert "The portal does not poll this detector." in words_of(answer)
    assert "Test now" not in words_of(answer)


def test_an_empty_token_stays_the_saved_one(
    alice: User, client_of: ClientOf, api: Sightline
) -> None:
    browser = client_of(alice)
    add(browser, poll_url=api.url, poll_secret=TOKEN)
    path = page_of(AlertEndpoint.objects.get())
    renamed = browser.post(path, {"name": "Edge", "poll_url": api.url, "poll_secret": ""})
    moved = browser.post(path, {"name": "Edge", "poll_url": "https://other.example"})

    assert renamed.status_code == 302
    assert AlertEndpoint.objects.get().name == "Edge"
    assert secrets.decrypt(AlertPoll.objects.get().secret) == TOKEN.encode()
    assert moved.status_code == 400
    assert 'id="poll_secret-e"' in moved.content.decode()


def test_the_form_of_aws_has_no_address(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)
    added = browser.post(
        NEW,
        {"name": "AWS", "source": "aws-shield", "poll_key_id": KEY_ID, "poll_secret": KEY},
    )
    page = browser.get(page_of(AlertEndpoint.objects.get())).content.decode()

    assert added.status_code == 200, words_of(added)
    assert f'value="{KEY_ID}"' in page
    assert "poll_url" not in page


def test_a_switched_off_detector_is_not_polled(
    alice: User, client_of: ClientOf, api: Sightline
) -> None:
    browser = client_of(alice)
    add(browser, poll_url=api.url, poll_secret=TOKEN)
    endpoint = AlertEndpoint.objects.get()
    answer = browser.post(page_of(endpoint, "/switch"), {"on": "no"}, follow=True)
    poll(endpoint)

    assert "The portal no longer polls the detector." in words_of(answer)
    assert api.calls == []
