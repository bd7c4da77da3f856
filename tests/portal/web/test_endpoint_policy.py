"""The policy of a detector's endpoint, on its page and in the API."""

from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import User
from portal.alerts.models import AlertEndpoint
from portal.organizations.models import Organization
from tests.conftest import ClientOf
from tests.portal.web.alert_endpoints import add, page_of
from tests.portal.web.conftest import words_of

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
