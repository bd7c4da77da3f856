"""A parameter that comes twice, or in the wrong place, has one meaning."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"


def test_a_form_is_not_filled_by_the_address(alice: User) -> None:
    address = f"/sign-in?username=alice&password={PASSWORD.replace(' ', '+')}"

    answer = Client().post(address, {"username": "", "password": ""})

    assert answer.status_code != 302


def test_a_call_is_not_filled_by_the_address(
    dana: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    answer = api_of(dana).post(f"{REQUESTS}?lifetime=60&targets=203.0.113.7", {})

    assert answer.status_code == 400
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        '{"targets": {"prefixes": ["203.0.113.7/32"]}, "targets": {"prefixes": ["192.0.2.1/32"]}}',
        '{"targets": {"prefixes": ["203.0.113.7/32"], "prefixes": ["192.0.2.1/32"]}}',
    ],
)
def test_a_name_that_comes_twice_in_a_body_is_refused(
    dana: User, acme_northgate: Subscription, api_of: ApiOf, body: str
) -> None:
    answer = api_of(dana).post(REQUESTS, body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "duplicate" in answer.json()["detail"]


def test_the_last_value_of_a_repeated_field_counts_at_every_place(
    bob: User, acme: Organization, client_of: ClientOf, api_of: ApiOf
) -> None:
    page = client_of(bob).get("/organizations/acme/requests?find=first&find=second")
    calls = [
        api_of(bob).get(f"{REQUESTS}?{query}") for query in ("limit=0&limit=1", "limit=1&limit=0")
    ]

    assert 'value="second"' in page.content.decode()
    assert [call.status_code for call in calls] == [200, 400]
