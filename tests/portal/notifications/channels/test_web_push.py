"""Web Push, against a push service on loopback that decrypts what it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.models import ApiToken, User
from portal.core import secrets
from portal.core.errors import Invalid
from portal.notifications import receivers
from portal.notifications.channels.models import PushDevice
from portal.notifications.channels.web_push import MAX_PAYLOAD_BYTES, WebPush, payload, topic_of
from portal.notifications.channels.web_push.devices import devices_of, values_of_device
from portal.notifications.channels.web_push.keys import (
    bytes_of,
    newest_public_key,
    read_key,
    text_of,
)
from portal.notifications.channels.web_push.person import DevicesOfPerson
from portal.notifications.message import Outcome, Severity
from portal.notifications.models import Notice
from portal.notifications.services.deliver import deliver
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.portal.notifications.channels.conftest import MESSAGE
from tests.portal.notifications.channels.http_receiver import HttpReceiver
from tests.portal.notifications.channels.push_browser import Browser, new_key
from tests.portal.notifications.conftest import collected, later

DEVICES = "/api/v1/me/push-devices"
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"


KEY, FORMER_KEY = new_key(), new_key()


@pytest.fixture
def browser(receiver: HttpReceiver, settings: Any) -> Browser:
    settings.PORTAL_VAPID_KEYS = [KEY]
    settings.PORTAL_VAPID_CONTACT = "mailto:noc@portal.example"
    return Browser(f"{receiver.url}/push/abc")


def test_a_device_gets_a_declarative_push_that_only_it_can_read(
    browser: Browser, receiver: HttpReceiver
) -> None:
    receiver.status = 201
    answer = WebPush().send(MESSAGE, browser.values)

    got = receiver.only
    assert answer.outcome is Outcome.SENT
    assert (got.method, got.path) == ("POST", "/push/abc")
    assert MESSAGE.title.encode() not in got.body
    assert browser.read(got) == {
        "web_push": 8030,
        "notification": {
            "title": MESSAGE.title,
            "body": MESSAGE.text,
            "navigate": MESSAGE.url,
            "tag": topic_of(MESSAGE.thread),
            "lang": "en",
        },
    }


def test_the_push_service_can_check_who_sends(browser: Browser, receiver: HttpReceiver) -> None:
    WebPush().send(MESSAGE, browser.values)

    scheme, _, rest = receiver.only.headers["authorization"].partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split(", "))
    point = bytes_of(fields["k"]) or b""
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(fields["t"], public, algorithms=["ES256"], audience=receiver.url)
    assert (scheme, fields["k"]) == ("vapid", newest_public_key())
    assert claims["sub"] == "mailto:noc@portal.example"
    assert claims["exp"] - datetime.now(UTC).timestamp() <= 24 * 3600


@pytest.mark.parametrize(
    ("severity", "ttl", "urgency"),
    [(Severity.CRITICAL, "3600", "high"), (Severity.INFO, "900", "normal")],
)
def test_a_push_says_how_long_and_how_urgent(
    browser: Browser, receiver: HttpReceiver, severity: Severity, ttl: str, urgency: str
) -> None:
    WebPush().send(replace(MESSAGE, severity=severity), browser.values)

    headers = receiver.only.headers
    assert (headers["ttl"], headers["urgency"]) == (ttl, urgency)
    assert headers["topic"] == topic_of(MESSAGE.thread)
    assert len(headers["topic"]) == 32


@pytest.mark.parametrize("text", ["x" * 2000, "ü" * 2000, "☎" * 2000, "😀" * 2000, '"' * 2000])
def test_the_longest_message_fits_every_push_service(
    browser: Browser, receiver: HttpReceiver, text: str
) -> None:
    longest = replace(MESSAGE, title="ü" * 120, text=text, url=f"https://e.example/{'x' * 400}")
    WebPush().send(longest, browser.values)

    assert len(payload(longest)) <= MAX_PAYLOAD_BYTES
    assert len(receiver.only.body) <= 4096
    assert browser.read(receiver.only)["notification"]["body"].rstrip("…") in text


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.SENT),
        (202, Outcome.SENT),
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (413, Outcome.REFUSED),
        (429, Outcome.RETRY),
        (502, Outcome.RETRY),
        (307, Outcome.REFUSED),
    ],
)
def test_the_status_of_the_push_service_decides(
    browser: Browser, receiver: HttpReceiver, status: int, outcome: Outcome
) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": "9", "Location": "/x"}

    answer = WebPush().send(MESSAGE, browser.values)

    assert answer.outcome is outcome
    assert answer.retry_after_s == (9.0 if outcome is Outcome.RETRY else None)
    assert len(receiver.got) == 1


def test_a_device_of_a_former_key_is_served_while_the_key_is_there(
    browser: Browser, receiver: HttpReceiver, settings: Any
) -> None:
    settings.PORTAL_VAPID_KEYS = [FORMER_KEY]
    values = browser.values
    settings.PORTAL_VAPID_KEYS = [KEY, FORMER_KEY]
    assert WebPush().send(MESSAGE, values).outcome is Outcome.SENT
    assert receiver.only.headers["authorization"].endswith(f"k={values['public_key']}")

    settings.PORTAL_VAPID_KEYS = [KEY]
    assert WebPush().send(MESSAGE, values).outcome is Outcome.GONE
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "https://example.com/push"}, "endpoint"),
        ({"endpoint": "https://fcm.googleapis.com.evil.example/"}, "endpoint"),
        ({"endpoint": "http://fcm.googleapis.com/"}, "endpoint"),
        ({"endpoint": "https://10.0.0.1/push"}, "endpoint"),
        ({"p256dh": text_of(b"\4" + b"\1" * 64)}, "p256dh"),
        ({"p256dh": "?"}, "p256dh"),
        ({"auth": text_of(b"short")}, "auth"),
    ],
)
def test_a_subscription_that_cannot_work_is_refused(change: dict[str, str], field: str) -> None:
    values = {**Browser(ENDPOINT).body["keys"], "endpoint": ENDPOINT, **change}

    with pytest.raises(Invalid) as refused:
        WebPush().check(values)

    assert [one.field for one in refused.value.errors] == [field]


@pytest.mark.parametrize("text", ["", "x", "ü", text_of(b"\0" * 32), text_of(b"\xff" * 32)])
def test_a_text_that_is_no_key_is_none(text: str) -> None:
    assert read_key(text) is None


def add(client: Client, browser: Browser, **more: Any) -> Any:
    return client.post(DEVICES, {**browser.body, **more}, content_type="application/json")


def test_a_person_adds_lists_and_removes_devices(
    browser: Browser, alice: User, bob: User, client_of: ClientOf
) -> None:
    client = client_of(alice)
    added = add(client, browser)
    again = add(client, browser, name="Work phone")

    assert (added.status_code, again.status_code) == (201, 201)
    shown = client.get(DEVICES).json()
    assert shown["public_key"] == newest_public_key()
    [row] = shown["results"]
    assert (row["id"], row["name"]) == (added.json()["id"], "Work phone")
    path = f"{DEVICES}/{row['id']}"
    assert client_of(bob).delete(path).status_code == 404
    assert client_of(bob).get(DEVICES).json()["results"] == []
    assert client.delete(path).status_code == 204
    assert not PushDevice.objects.exists()


def _revoke(token: ApiToken) -> None:
    accounts.revoke_token(token=token)


def _expire(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(expiry=timezone.now())


def _end_access(token: ApiToken) -> None:
    accounts.end_access(user=token.user)


def _delete_in_an_earlier_release(token: ApiToken) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {ApiToken._meta.db_table}")


@pytest.mark.parametrize("end", [_revoke, _expire, _end_access, _delete_in_an_earlier_release])
def test_a_device_of_an_app_ends_with_the_token_that_added_it(
    browser: Browser, alice: User, bob: User, api_of: ApiOf, end: Callable[[ApiToken], None]
) -> None:
    client = api_of(alice)
    assert client.post(DEVICES, browser.body, format="json").status_code == 201
    before = DevicesOfPerson().addresses([alice])

    end(ApiToken.objects.get(user=alice))

    assert len(before[alice.pk]) == 1
    assert DevicesOfPerson().addresses([alice]) == {}
    assert devices_of(alice) == []
    notice = Notice(user=alice, receiver=f"web-push:{before[alice.pk][0]}")
    assert DevicesOfPerson().route(notice) is None


def test_a_device_moves_to_the_newest_token_and_stays_with_it(
    browser: Browser, alice: User, api_of: ApiOf
) -> None:
    for _ in range(2):
        api_of(alice).post(DEVICES, browser.body, format="json")
    first, second = ApiToken.objects.filter(user=alice).order_by("created")

    accounts.revoke_token(token=first)
    kept = devices_of(alice)
    accounts.revoke_token(token=second)

    assert len(kept) == 1
    assert devices_of(alice) == []


def test_the_endpoint_and_the_secret_are_encrypted_at_rest(
    browser: Browser, alice: User, client_of: ClientOf
) -> None:
    add(client_of(alice), browser)

    device = PushDevice.objects.get()
    assert browser.endpoint.encode() not in bytes(device.sealed)
    assert values_of_device(device)["endpoint"] == browser.endpoint
    assert (PushDevice, "sealed") in secrets.further_columns


def test_a_browser_belongs_to_the_person_who_added_it_last(
    browser: Browser, alice: User, bob: User, client_of: ClientOf
) -> None:
    add(client_of(alice), browser)
    add(client_of(bob), browser)

    assert PushDevice.objects.get().user == bob


def test_a_person_has_so_many_devices_and_no_more(
    browser: Browser, receiver: HttpReceiver, alice: User, client_of: ClientOf
) -> None:
    client = client_of(alice)
    for number in range(receivers.MAX_DEVICES):
        assert add(client, Browser(f"{receiver.url}/{number}")).status_code == 201

    refused = add(client, Browser(f"{receiver.url}/more"))

    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-devices")


def test_a_portal_without_keys_says_so(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    refused = add(client, Browser(ENDPOINT))

    assert client.get(DEVICES).json() == {"public_key": "", "results": []}
    assert (refused.status_code, refused.json()["code"]) == (409, "push-not-set-up")


def test_a_notice_reaches_the_devices_of_members_and_a_gone_one_is_forgotten(
    browser: Browser,
    receiver: HttpReceiver,
    alice: User,
    acme: Organization,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receivers, "person_channels", {"web_push": DevicesOfPerson()})
    add(client_of(alice), browser)
    collected(acme)
    receiver.status = 201
    deliver()
    shown = browser.read(receiver.only)["notification"]
    assert PushDevice.objects.get().last_success_at is not None
    assert shown["tag"] == topic_of(Notice.objects.get().thread)

    collected(acme, 2)
    receiver.status = 410
    deliver(clock=lambda: later(minutes=1))
    deliver(clock=lambda: later(hours=1))

    assert not PushDevice.objects.exists()
    assert len(receiver.got) == 2
