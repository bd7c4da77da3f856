"""`organizations/{slug}/channels`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.notifications.channels.models import NoticeChannel
from portal.organizations.models import Organization
from tests.conftest import ClientOf
from tests.portal.notifications.channels.conftest import AddWebhook, add_webhook, receiver
from tests.portal.notifications.channels.http_receiver import HttpReceiver

__all__ = ["add_webhook", "receiver"]

CHANNELS = "/api/v1/organizations/acme/channels"
NEW = {"kind": "webhook", "name": "Night shift", "values": {"url": "https://example.com/hook"}}


@pytest.fixture
def browser(alice: User, acme: Organization, client_of: ClientOf) -> Client:
    return client_of(alice)


def post(browser: Client, path: str, body: Any = None) -> Any:
    return browser.post(path, body or {}, content_type="application/json")


def patch(browser: Client, path: str, body: Any) -> Any:
    return browser.patch(path, body, content_type="application/json")


def test_a_channel_is_added_shown_changed_and_removed(browser: Client) -> None:
    added = post(browser, CHANNELS, NEW)

    assert added.status_code == 201
    made = added.json()
    path = f"{CHANNELS}/{made['id']}"
    assert re.fullmatch(r"whsec_[\w+/=]{44}", made.pop("secret"))
    assert made == browser.get(path).json()
    assert browser.get(CHANNELS).json() == {"results": [made]}
    assert (made["saved_secrets"], made["values"]) == (["secret"], NEW["values"])
    changes = {"enabled": False, "notice_kinds": ["request.refused"], "min_severity": "warning"}
    changed = patch(browser, path, changes).json()
    assert {name: changed[name] for name in changes} == changes
    assert changed["off_because"] == "person"
    assert browser.delete(path).status_code == 204
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"kind": "fax"}, "kind", "not-a-choice"),
        ({"name": ""}, "name", "blank"),
        ({"values": {}}, "values.url", "required"),
        ({"values": {"url": "http://example.com"}}, "values.url", "not-https"),
        ({"values": {"url": "https://192.168.0.1/"}}, "values.url", "not-public"),
        ({"values": {"url": 7}}, "values.url", "wrong-type"),
        ({"values": "x"}, "values", "wrong-type"),
        ({"values": {str(one): "x" for one in range(21)}}, "values", "too-many"),
        ({"values": {"other": "x"}}, "values.other", "unknown-field"),
        ({"notice_kinds": ["x"]}, "notice_kinds", "not-a-choice"),
        ({"min_severity": "resolved"}, "min_severity", "not-a-choice"),
        ({"secret": "x"}, "secret", "unknown-field"),
    ],
)
def test_bad_input_is_refused_at_its_field(
    browser: Client, body: dict[str, Any], field: str, code: str
) -> None:
    answer = post(browser, CHANNELS, {**NEW, **body})

    assert answer.status_code == 400
    assert (field, code) in [(one["field"], one["code"]) for one in answer.json()["errors"]]
    assert not NoticeChannel.objects.exists()


def test_a_test_returns_the_receivers_answer(
    browser: Client, add_webhook: AddWebhook, receiver: HttpReceiver
) -> None:
    channel = add_webhook(receiver.url)
    receiver.status, receiver.headers, receiver.body = 429, {"Retry-After": "30"}, b"slow down"

    answer = post(browser, f"{CHANNELS}/{channel.pk}/test")

    assert answer.status_code == 200
    assert answer.json() == {
        "outcome": "retry",
        "text": "HTTP 429 slow down",
        "retry_after_s": 30.0,
    }
    [line] = browser.get(f"{CHANNELS}/{channel.pk}/deliveries").json()["results"]
    assert (line["outcome"], line["answer"], line["is_test"]) == (
        "retry",
        "HTTP 429 slow down",
        True,
    )


def test_a_secret_is_rotated_and_the_former_one_ended(
    browser: Client, add_webhook: AddWebhook
) -> None:
    path = f"{CHANNELS}/{add_webhook('https://example.com/').pk}"

    rotated = post(browser, f"{path}/rotate").json()
    ended = post(browser, f"{path}/end-previous-secret").json()

    assert rotated["secret"].startswith("whsec_")
    assert rotated["previous_secret_until"]
    assert ended["previous_secret_until"] is None


def test_a_channel_of_another_organization_does_not_exist(
    charlie: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    path = f"{CHANNELS}/{add_webhook('https://example.com/').pk}".replace("acme", "globex")
    other = client_of(charlie)

    for method, end in (("get", ""), ("delete", ""), ("post", "/test"), ("get", "/deliveries")):
        assert getattr(other, method)(f"{path}{end}").status_code == 404
