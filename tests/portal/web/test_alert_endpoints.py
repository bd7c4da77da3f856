"""Settings › Alerts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.alerts.endpoint_settings import HostTarget
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, ReceivedAlert
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.setup import SIGNING
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ClientOf
from tests.factories import app_code
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN
from tests.portal.web.alert_endpoints import LIST, NEW, add, page_of, secret_in, send
from tests.portal.web.conftest import words_of

POLLED: dict[str, dict[str, str]] = {
    "sightline": {"poll_url": "https://sightline.example", "poll_secret": TOKEN},
    "aws-shield": {"poll_key_id": KEY_ID, "poll_secret": KEY},
}
"""What the form of these sources needs besides a name."""


def test_the_answer_to_the_form_has_a_setup_that_works(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    added = add(browser, source="fastnetmon")
    secret, endpoint = secret_in(added), AlertEndpoint.objects.get()

    address = f"http://testserver/api/v1/alerts/{endpoint.pk}"
    assert f"web_callback_url &quot;{address}?key={secret}&quot;" in added.content.decode()
    assert send(Client(), endpoint, secret, '{"ip": "203.0.113.7"}') == 202
    later = browser.get(page_of(endpoint))
    assert secret not in later.content.decode()
    assert f"{address}?key=SECRET" in later.content.decode()


@pytest.mark.parametrize("source", AlertSource)
def test_a_test_shows_how_the_sample_of_each_source_is_read(
    alice: User, shop: ProtectedResource, client_of: ClientOf, source: AlertSource
) -> None:
    browser = client_of(alice)
    polled = POLLED.get(source.value, {})
    add(browser, source=source.value, default_resource=str(shop.pk), **polled)
    endpoint = AlertEndpoint.objects.get()

    shown = browser.post(page_of(endpoint, "/test"), follow=True)

    assert "sample: An attack on your own resources. It is about 203.0.113.0" in words_of(shown)
    assert ReceivedAlert.objects.get().is_test
    assert "Not used yet." in words_of(browser.get(LIST))


def test_a_test_needs_a_verified_prefix(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    add(browser)

    shown = browser.post(page_of(AlertEndpoint.objects.get(), "/test"), follow=True)

    assert "there is none yet" in words_of(shown)


def test_a_rejected_sample_is_shown_with_its_reason(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    add(browser, source="nginx", host="other.example", host_resource=shop.name)
    endpoint = AlertEndpoint.objects.get()
    # The resource of the first one was removed since.
    gone = HostTarget("shop.example", endpoint.pk)
    AlertEndpoint.objects.update(hosts=(gone, *endpoint.hosts))

    shown = words_of(browser.post(page_of(endpoint, "/test"), follow=True))

    assert "The sample was rejected. The endpoint has no resource" in shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "A name has 1 to 60 printable characters."),
        ({"name": "a\0b"}, "A name has 1 to 60 printable characters."),
        ({"source": "other"}, "Choose the detector that reports attacks."),
        ({"default_resource": "x"}, "Choose one of your verified resources."),
        ({"default_resource": "4d1ad3f4-7cd6-4bd3-9f2b-9d2b5a2d2f55"}, "Choose one of your"),
        ({"shown_by": "signature"}, "Name the header that holds the signature."),
        ({"shown_by": "signature", "signature_header": "a b"}, "letters, digits and hyphens"),
        ({"host": "a.example", "host_resource": "none"}, "a.example: “none” is none of your"),
        ({"host": "", "host_resource": "Shop"}, "Name the web server of Shop."),
    ],
)
def test_a_wrong_field_has_its_error_and_nothing_is_saved(
    alice: User, acme: Organization, client_of: ClientOf, wrong: dict[str, str], message: str
) -> None:
    refused = add(client_of(alice), **wrong)

    assert refused.status_code == 400
    assert message in words_of(refused)
    assert not AlertEndpoint.objects.exists()


def test_a_name_of_no_web_server_is_an_error_at_its_row(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    refused = add(client_of(alice), host="a b", host_resource=shop.name)

    assert refused.status_code == 400
    assert "a b: This is no name of a server." in words_of(refused)
    assert 'value="a b"' in refused.content.decode()


def fields_in(answer: Any) -> set[str]:
    return set(re.findall(r' name="(\w+)"', answer.content.decode()))


@pytest.mark.parametrize("source", AlertSource)
def test_the_form_shows_only_what_the_source_uses(
    alice: User, shop: ProtectedResource, client_of: ClientOf, source: AlertSource
) -> None:
    browser = client_of(alice)
    choice = browser.get(NEW)
    new = browser.get(f"{NEW}?source={source.value}")
    add(browser, source=source.value, **POLLED.get(source.value, {}))
    saved = browser.get(page_of(AlertEndpoint.objects.get()))

    assert f"{NEW}?source={source.value}" in choice.content.decode()
    for page in (new, saved):
        assert ("signature_header" in fields_in(page)) == (source in SIGNING)
        assert ("poll_secret" in fields_in(page)) == (source.value in POLLED)
        for name in ("poll_url", "poll_key_id"):
            assert (name in fields_in(page)) == (name in POLLED.get(source.value, {}))


def test_a_saved_signature_stays_on_the_form_of_any_source(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    add(browser, source="kentik", shown_by="signature", signature_header="X-Signature")

    page = browser.get(page_of(AlertEndpoint.objects.get()))

    assert "signature_header" in fields_in(page)


def test_a_detector_may_sign_instead(alice: User, acme: Organization, client_of: ClientOf) -> None:
    added = add(
        client_of(alice), source="grafana", shown_by="signature", signature_header="X-Signature"
    )

    assert AlertEndpoint.objects.get().signature_header == "X-Signature"
    assert "Under HMAC signature, enter the secret" in words_of(added)
    assert secret_in(added) in added.content.decode().partition("Under HMAC")[2]


def test_a_new_secret_lets_the_former_one_work_until_it_is_ended(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    former = secret_in(add(browser))
    endpoint = AlertEndpoint.objects.get()
    current = secret_in(browser.post(page_of(endpoint, "/rotate")))

    assert send(Client(), endpoint, former, "{}") == 202
    assert "The former secret still works until" in words_of(browser.get(page_of(endpoint)))
    browser.post(page_of(endpoint, "/end-previous-secret"))
    assert send(Client(), endpoint, former, "{}") == 401
    assert send(Client(), endpoint, current, "{}") == 202


def test_an_endpoint_that_is_switched_off_refuses_its_detector(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    secret = secret_in(add(browser))
    endpoint = AlertEndpoint.objects.get()

    off = browser.post(page_of(endpoint, "/switch"), {"on": "no"}, follow=True)
    assert "Edge: Switched off" in words_of(off)
    assert send(Client(), endpoint, secret, "{}") == 401
    browser.post(page_of(endpoint, "/switch"), {"on": "yes"})
    assert send(Client(), endpoint, secret, "{}") == 202


def test_removing_says_what_goes_with_it_first(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    secret = secret_in(add(browser))
    endpoint = AlertEndpoint.objects.get()
    send(Client(), endpoint, secret, '{"targets": ["203.0.113.7"]}')
    map_waiting()

    asked = words_of(browser.get(page_of(endpoint, "/remove")))
    assert "The portal deletes its 1 alert and its rejected payloads." in asked
    gone = browser.post(page_of(endpoint, "/remove"), follow=True)
    assert "No detector yet." in words_of(gone)


def test_an_old_factor_is_asked_for_again_and_keeps_the_rows(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    session = browser.session
    session["factor_at"] = 1.0
    session.save()
    filled = {
        "name": "Edge", "source": "nginx",
        "host": ["a.example", "b.example"], "host_resource": [shop.name, shop.name],
    }  # fmt: skip

    asked = browser.post(NEW, filled)
    assert (asked.status_code, AlertEndpoint.objects.exists()) == (403, False)
    assert asked.content.decode().count('name="host_resource"') == 2
    browser.post(NEW, filled | {"step_up_code": app_code()})

    assert [one.host for one in AlertEndpoint.objects.get().hosts] == ["a.example", "b.example"]


def test_the_list_shows_state_and_trouble(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    secret = secret_in(add(browser))
    assert "Edge Waits for its first alert" in words_of(browser.get(LIST))
    send(Client(), AlertEndpoint.objects.get(), secret, "no json")

    shown = words_of(browser.get(LIST))

    assert "1 call could not be read. The last one: It is not JSON." in shown


def test_endpoints_of_other_organizations_are_unknown(
    alice: User, charlie: User, acme: Organization, client_of: ClientOf
) -> None:
    add(client_of(alice))
    endpoint = AlertEndpoint.objects.get()
    browser = client_of(charlie)
    foreign = f"/organizations/globex/settings/alerts/{endpoint.pk}"

    assert browser.get(page_of(endpoint)).status_code == 404
    for path in ("", "/rotate", "/switch", "/test", "/remove", "/end-previous-secret"):
        assert browser.post(f"{foreign}{path}").status_code == 404, path
