"""Settings › Alerts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.alerts.endpoint_settings import HostTarget
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, AlertPayload, ReceivedAlert
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.setup import SIGNING
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ClientOf
from tests.factories import app_code
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN
from tests.portal.web.conftest import words_of

LIST = "/organizations/acme/settings/alerts"
NEW = f"{LIST}/new"


def secret_in(answer: Any) -> str:
    found = re.search(r'<code class="mono wrap">([^<]+)</code>', answer.content.decode())
    assert found, words_of(answer)
    return found[1]


def add(browser: Client, **fields: str) -> Any:
    return browser.post(NEW, {"name": "Edge", "source": "plain", **fields})


POLLED: dict[str, dict[str, str]] = {
    "sightline": {"poll_url": "https://sightline.example", "poll_secret": TOKEN},
    "aws-shield": {"poll_key_id": KEY_ID, "poll_secret": KEY},
}
"""What the form of these sources needs besides a name."""


def page_of(endpoint: AlertEndpoint, name: str = "") -> str:
    return f"{LIST}/{endpoint.pk}{name}"


def send(browser: Client, endpoint: AlertEndpoint, secret: str, body: str) -> int:
    return browser.post(
        f"/api/v1/alerts/{endpoint.pk}",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    ).status_code


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


def test_a_rejected_payload_is_read_again_after_a_change(
    alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    secret = secret_in(add(browser, source="nginx", host="a.example", host_resource=shop.name))
    endpoint = AlertEndpoint.objects.get()
    line = 'limiting requests, excess: 1.0 by zone "z", client: 192.0.2.1, host: "b.example"'
    assert send(Client(), endpoint, secret, line) == 202
    map_waiting()

    rejected = browser.get(page_of(endpoint))
    assert "Record 1: The endpoint has no resource for this web server: b.example." in words_of(
        rejected
    )
    assert "client: 192.0.2.1" in words_of(rejected)
    replay = f"{LIST}/rejected/{AlertPayload.objects.get().pk}/replay"
    assert "still cannot read it" in words_of(browser.post(replay, follow=True))
    browser.post(
        page_of(endpoint),
        {
            "name": "Edge",
            "host": ["a.example", "B.example", ""],
            "host_resource": [shop.name, shop.name.upper(), ""],
        },
    )
    assert "The payload is read again." in words_of(browser.post(replay, follow=True))
    assert ReceivedAlert.objects.get().verdict == "ours"


def test_an_operator_who_replays_a_payload_sees_a_page_that_operators_may_open(
    alice: User, dana: User, acme: Organization, client_of: ClientOf
) -> None:
    secret = secret_in(add(client_of(alice)))
    assert send(Client(), AlertEndpoint.objects.get(), secret, '{"targets": ["x y"]}') == 202
    map_waiting()

    replay = f"{LIST}/rejected/{AlertPayload.objects.get().pk}/replay"
    shown = client_of(dana).post(replay, follow=True)

    assert shown.status_code == 200
    assert "still cannot read it" in words_of(shown)


def test_operators_read_what_was_rejected_and_have_it_read_again(
    alice: User, dana: User, bob: User, charlie: User, acme: Organization, client_of: ClientOf
) -> None:
    page = "/organizations/acme/alerts/rejected"
    operator = client_of(dana)
    assert "All was read." in words_of(operator.get(page))
    secret = secret_in(add(client_of(alice)))
    body = '{"targets": ["<b>x y</b>"]}'
    assert send(Client(), AlertEndpoint.objects.get(), secret, body) == 202
    map_waiting()

    shown = operator.get(page)

    assert "1 payload could not be read." in words_of(shown)
    assert "<b>x y" not in shown.content.decode()
    assert "&lt;b&gt;x y" in shown.content.decode()
    assert "1 payload could not be read." in words_of(operator.get("/organizations/acme/alerts"))
    assert "could not be read" not in words_of(client_of(bob).get("/organizations/acme/alerts"))
    assert client_of(charlie).get(page).status_code == 404
    replay = f"{LIST}/rejected/{AlertPayload.objects.get().pk}/replay"
    for person in (dana, alice):
        answer = client_of(person).post(replay, {"back": "rejected"}, follow=True)
        assert answer.request["PATH_INFO"] == page
        assert "still cannot read it" in words_of(answer)


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


POLICY = {
    "mode": "on", "min_severity": "2", "prefixes": "203.0.113.0/28", "largest_v4": "28",
    "largest_v6": "64", "from_hour": "20", "to_hour": "6", "max_per_hour": "5",
    "hold_down_s": "60", "terminates": "yes",
}  # fmt: skip


def test_the_policy_of_an_endpoint_is_saved_and_shown(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    add(browser)
    endpoint = AlertEndpoint.objects.get()
    assert "Every proposal waits for a person." in words_of(browser.get(page_of(endpoint)))

    shown = browser.post(page_of(endpoint, "/policy"), POLICY, follow=True)

    saved = AlertEndpoint.objects.get().policy
    assert (saved.mode, saved.min_severity, saved.from_hour, saved.to_hour) == ("on", 2, 20, 6)
    assert (list(map(str, saved.prefixes)), saved.terminates) == (["203.0.113.0/28"], True)
    assert "The portal sends proposals within the limits at once." in words_of(shown)
    assert 'value="60"' in shown.content.decode()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "always"}, "Choose one."),
        ({"min_severity": "x"}, "Write a number from 0 to 4."),
        ({"max_per_hour": "0"}, "From 1 to 100."),
        ({"prefixes": "shop.example"}, "shop.example is no prefix."),
        ({"prefixes": "203.0.113.300"}, "300 is more than 255"),
    ],
)
def test_a_wrong_policy_has_its_error_and_changes_nothing(
    alice: User, acme: Organization, client_of: ClientOf, wrong: dict[str, str], message: str
) -> None:
    browser = client_of(alice)
    add(browser)
    endpoint = AlertEndpoint.objects.get()

    refused = browser.post(page_of(endpoint, "/policy"), POLICY | wrong)

    assert refused.status_code == 400
    assert message in words_of(refused)
    assert AlertEndpoint.objects.get().policy == endpoint.policy


def test_the_api_replaces_the_policy_of_an_endpoint(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    add(browser)
    path = f"/api/v1/organizations/acme/alert-endpoints/{AlertEndpoint.objects.get().pk}/policy"
    wanted = browser.get(path).json() | {"mode": "watch", "prefixes": ["203.0.113.0/28"]}

    def put(body: dict[str, Any]) -> Any:
        return browser.put(path, body, content_type="application/json")

    assert put(wanted).json() == browser.get(path).json() == wanted
    for wrong in ({"mode": "x"}, {"max_per_hour": 0}, {"prefixes": ["shop.example"]}):
        answer = put(wanted | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(wrong)))
    assert browser.get(path).json() == wanted
