"""Payloads that could not be read, and reading them again."""

from __future__ import annotations

from django.test import Client

from portal.accounts.models import User
from portal.alerts.models import AlertEndpoint, AlertPayload, ReceivedAlert
from portal.alerts.services.map_waiting import map_waiting
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ClientOf
from tests.portal.web.alert_endpoints import LIST, add, page_of, secret_in, send
from tests.portal.web.conftest import words_of


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
