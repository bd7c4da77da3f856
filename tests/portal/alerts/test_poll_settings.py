from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPoll
from portal.alerts.polling import PollCursor
from portal.alerts.services import poll_settings
from portal.alerts.services.endpoints import (
    EndpointWish,
    add_endpoint,
    change_endpoint,
    rotate_secret,
)
from portal.alerts.services.poll_settings import MAX_POLL_SECRET_LENGTH, PollWish
from portal.alerts.services.try_poll import TESTS, try_poll
from portal.audit.models import AuditEntry
from portal.core import secrets
from portal.core.errors import Conflict, Invalid, NotFound, Throttled
from portal.organizations.models import Organization
from tests.conftest import ClientOf
from tests.portal.alerts.conftest import Detector
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN, Answer
from tests.portal.alerts.polled import PolledShield, PolledSightline, poll

ENDPOINTS: Final = "/api/v1/organizations/acme/alert-endpoints"
URL: Final = "https://sightline.example"


def add(acme: Organization, alice: User, **wish: Any) -> AlertEndpoint:
    found = EndpointWish(name="Polled", source=AlertSource.SIGHTLINE, poll=PollWish(**wish))
    return add_endpoint(organization=acme, actor=Actor.person(alice), wish=found)[0]


def change(endpoint: AlertEndpoint, alice: User, **wish: Any) -> AlertPoll:
    change_endpoint(
        endpoint=endpoint, actor=Actor.person(alice), wish=EndpointWish(poll=PollWish(**wish))
    )
    return AlertPoll.objects.get(pk=endpoint.pk)


@pytest.mark.parametrize(
    ("typed", "saved"),
    [
        ("https://sightline.example", "https://sightline.example"),
        (" https://sightline.example:8443/ ", "https://sightline.example:8443"),
        ("https://192.0.43.7", "https://192.0.43.7"),
        ("https://[2600::7]", "https://[2600::7]"),
    ],
)
def test_an_address_is_saved_without_its_slash(
    acme: Organization, alice: User, typed: str, saved: str
) -> None:
    add(acme, alice, url=typed, secret=TOKEN)

    assert AlertPoll.objects.get().url == saved


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "blank"),
        ("sightline.example", "not-an-address"),
        ("ftp://sightline.example", "not-an-address"),
        ("https://", "not-an-address"),
        ("https://user:word@sightline.example", "not-an-address"),
        ("https://sightline.example/api", "not-an-address"),
        ("https://sightline.example?x=1", "not-an-address"),
        ("https://sightline.example:99999", "not-an-address"),
        ("https://[::1", "not-an-address"),
        ("https://sight line.example", "not-an-address"),
        ("https://sightl\u0131ne.example", "not-an-address"),
        ("https://a\nb.example", "not-an-address"),
        (f"https://{'x' * 300}.example", "not-an-address"),
        ("http://sightline.example", "not-https"),
        ("http://192.0.43.7", "not-https"),
        ("http://127.0.0.1:8000", "not-allowed"),
        ("https://127.0.0.1", "not-allowed"),
        ("https://10.0.0.1", "not-allowed"),
        ("https://169.254.169.254", "not-allowed"),
        ("https://[::ffff:127.0.0.1]", "not-allowed"),
    ],
)
def test_a_wrong_address_is_an_error_of_its_field(
    acme: Organization, alice: User, typed: str, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        add(acme, alice, url=typed, secret=TOKEN)

    assert [(one.field, one.code) for one in caught.value.errors] == [("poll.url", code)]
    assert not AlertEndpoint.objects.exists()


def test_the_operator_allows_private_networks(
    acme: Organization, alice: User, settings: Any
) -> None:
    settings.PORTAL_ALERT_NETWORKS = [ip_network("10.20.0.0/16")]

    add(acme, alice, url="https://10.20.0.1", secret=TOKEN)

    assert AlertPoll.objects.get().url == "https://10.20.0.1"


@pytest.mark.parametrize(
    "typed", ["", " ", "a b", "\u00e9", "x\ty", "x" * (MAX_POLL_SECRET_LENGTH + 1)]
)
def test_a_wrong_token_is_an_error_of_its_field(
    acme: Organization, alice: User, typed: str
) -> None:
    with pytest.raises(Invalid) as caught:
        add(acme, alice, url=URL, secret=typed)

    assert [one.field for one in caught.value.errors] == ["poll.secret"]


@pytest.mark.parametrize(
    "typed", ["", "short", "AKID EXAMPLE 0000", "x" * 129, "AKIDEXAMPLE0000\u0665"]
)
def test_a_wrong_key_id_is_an_error_of_its_field(
    shield: PolledShield, alice: User, typed: str
) -> None:
    with pytest.raises(Invalid) as caught:
        change(shield.endpoint, alice, key_id=typed, secret=KEY)

    assert [one.field for one in caught.value.errors] == ["poll.key_id"]


def test_a_detector_that_calls_is_not_polled(detector: Detector, alice: User) -> None:
    with pytest.raises(Invalid) as caught:
        change(detector.endpoint, alice, url=URL, secret=TOKEN)

    assert [(one.field, one.code) for one in caught.value.errors] == [("poll", "not-polled")]


def test_the_secret_is_encrypted_and_in_the_rotation(
    sightline: PolledSightline, settings: Any
) -> None:
    from cryptography.fernet import Fernet

    assert TOKEN.encode() not in bytes(AlertPoll.objects.get().secret)
    new = Fernet.generate_key()
    settings.ENCRYPTION_KEYS = [new, *settings.ENCRYPTION_KEYS]
    call_command("rotate_secrets", verbosity=0)
    settings.ENCRYPTION_KEYS = [new]

    assert secrets.decrypt(AlertPoll.objects.get().secret) == TOKEN.encode()


def test_the_secret_is_in_no_answer_and_no_audit_entry(
    alice: User, client_of: ClientOf, sightline: PolledSightline
) -> None:
    browser = client_of(alice)
    body = {"poll": {"secret": "another-token"}}
    path = f"{ENDPOINTS}/{sightline.endpoint.pk}"
    changed = browser.patch(path, body, content_type="application/json")
    page = browser.get(f"/organizations/acme/settings/alerts/{sightline.endpoint.pk}")

    assert changed.status_code == 200, changed.json()
    said = changed.content + page.content + browser.get(ENDPOINTS).content
    said += str(list(AuditEntry.objects.values())).encode()
    assert b"another-token" not in said
    assert TOKEN.encode() not in said
    entry = AuditEntry.objects.order_by("-pk")[0]
    assert (entry.before, entry.after) == ({"poll_key": "saved"}, {"poll_key": "new"})


@pytest.mark.parametrize("wish", [{"url": URL}, {"url": URL, "secret": ""}])
def test_another_address_does_not_get_the_saved_secret(
    sightline: PolledSightline, alice: User, wish: dict[str, str]
) -> None:
    before = AlertPoll.objects.get().url
    with pytest.raises(Invalid) as caught:
        change(sightline.endpoint, alice, **wish)

    assert [(one.field, one.code) for one in caught.value.errors] == [("poll.secret", "blank")]
    assert AlertPoll.objects.get().url == before


def test_another_key_id_needs_its_own_secret(shield: PolledShield, alice: User) -> None:
    with pytest.raises(Invalid):
        change(shield.endpoint, alice, key_id="AKIDEXAMPLE11111")


def test_another_address_is_read_from_the_beginning(
    sightline: PolledSightline, alice: User
) -> None:
    sightline.api.instead = [Answer(500)]
    assert poll(sightline.endpoint).failures == 1
    poll(sightline.endpoint)
    row = change(sightline.endpoint, alice, url=URL, secret=TOKEN)

    assert row.cursor == PollCursor()
    assert (row.failures, row.problem) == (0, "")
    assert row.due_at <= timezone.now()


def test_another_secret_keeps_the_place_and_polls_soon(
    sightline: PolledSightline, alice: User
) -> None:
    before = poll(sightline.endpoint)
    row = change(sightline.endpoint, alice, secret=TOKEN)

    assert row.cursor == before.cursor
    assert row.due_at <= timezone.now() < before.due_at


def test_the_number_of_polled_detectors_is_limited(
    acme: Organization, alice: User, sightline: PolledSightline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_settings, "MAX_POLLED", 1)

    with pytest.raises(Conflict) as caught:
        add(acme, alice, url=URL, secret=TOKEN)

    assert caught.value.code == "too-many-polled"
    assert change(sightline.endpoint, alice, secret=TOKEN)


def test_no_one_may_call_a_polled_endpoint(sightline: PolledSightline, alice: User) -> None:
    path = f"/api/v1/alerts/{sightline.endpoint.pk}"
    for secret in ("", TOKEN, "None"):
        answer = Client().post(
            path,
            "{}",
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )
        assert answer.status_code == 401
    with pytest.raises(Conflict):
        rotate_secret(endpoint=sightline.endpoint, actor=Actor.person(alice))
    wish = EndpointWish(signature_header="X-Signature")
    with pytest.raises(Invalid):
        change_endpoint(endpoint=sightline.endpoint, actor=Actor.person(alice), wish=wish)


def test_an_endpoint_that_was_called_is_polled_from_now_on(
    sightline: PolledSightline, alice: User
) -> None:
    from portal.alerts.secret import digest_of

    AlertPoll.objects.all().delete()
    AlertEndpoint.objects.update(digest=digest_of("former"))
    change(sightline.endpoint, alice, url=sightline.api.url, secret=TOKEN)

    assert AlertEndpoint.objects.get().digest == ""
    assert poll(sightline.endpoint).problem == ""


def test_the_api_shows_how_the_polls_go(
    alice: User, client_of: ClientOf, sightline: PolledSightline
) -> None:
    sightline.api.instead = [Answer(403)]
    row = poll(sightline.endpoint)
    shown = client_of(alice).get(f"{ENDPOINTS}/{sightline.endpoint.pk}").json()["poll"]

    assert shown.pop("next_poll_at")
    assert shown == {
        "url": sightline.api.url,
        "key_id": "",
        "last_poll_at": row.last_poll_at.isoformat().replace("+00:00", "Z"),  # type: ignore[union-attr]
        "last_success_at": None,
        "failures": 1,
        "problem": "refused",
        "detail": "HTTP 403",
    }


def test_a_polled_endpoint_is_added_in_one_call(alice: User, client_of: ClientOf) -> None:
    body = {
        "name": "AWS",
        "source": "aws-shield",
        "poll": {"key_id": KEY_ID, "secret": KEY},
    }
    added = client_of(alice).post(ENDPOINTS, body, content_type="application/json")

    assert added.status_code == 201, added.json()
    assert (added.json()["secret"], added.json()["poll"]["key_id"]) == ("", KEY_ID)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"poll": {}},
        {"poll": None},
        {"poll": {"secret": TOKEN}},
        {"poll": {"url": URL, "secret": TOKEN, "more": 1}},
        {"poll": {"url": 7, "secret": TOKEN}},
        {"poll": [URL]},
    ],
)
def test_a_polled_source_needs_an_address_and_a_token(
    alice: User, client_of: ClientOf, body: dict[str, Any]
) -> None:
    whole = {"name": "Sightline", "source": "sightline", **body}
    answer = client_of(alice).post(ENDPOINTS, json.dumps(whole), content_type="application/json")

    assert answer.status_code == 400
    assert all(one["field"].startswith("poll") for one in answer.json()["errors"])


def test_a_test_shows_the_answer_and_saves_nothing(
    alice: User, client_of: ClientOf, sightline: PolledSightline
) -> None:
    sightline.api.begin("1", "203.0.113.7", timezone.now())
    path = f"{ENDPOINTS}/{sightline.endpoint.pk}/test-poll"
    good = client_of(alice).post(path).json()
    sightline.api.instead = [Answer(503, b"<b>closed</b>")]
    bad = client_of(alice).post(path).json()

    assert (good["status"], good["problem"]) == (200, None)
    assert '"203.0.113.7"' in good["text"]
    assert good["url"].startswith(f"{sightline.api.url}/api/sp/v7/alerts/?filter=")
    assert bad == good | {
        "status": 503,
        "problem": "server-failed",
        "detail": "HTTP 503",
        "text": "<b>closed</b>",
    }
    assert AlertPoll.objects.get().last_poll_at is None
    assert AuditEntry.objects.filter(verb="alert_endpoint.tested").count() == 2


def test_tests_are_limited(sightline: PolledSightline, alice: User) -> None:
    from portal.alerts.services.poll import alert_network

    def test() -> None:
        actor = Actor.person(alice)
        try_poll(endpoint=sightline.endpoint, actor=actor, network=alert_network())

    for _ in range(TESTS.tries):
        test()
    with pytest.raises(Throttled):
        test()


def test_a_removed_endpoint_is_not_tested(sightline: PolledSightline, alice: User) -> None:
    from portal.alerts.services.poll import alert_network

    endpoint = AlertEndpoint.objects.get()
    AlertEndpoint.objects.all().delete()
    with pytest.raises((Conflict, NotFound)):
        try_poll(endpoint=endpoint, actor=Actor.person(alice), network=alert_network())
