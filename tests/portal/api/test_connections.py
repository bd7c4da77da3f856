"""Providers connected by a program: the same rules as on the pages."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.connections import services
from portal.connections.steps import ConnectionResult, ConnectionStep, StepName, StepState
from portal.organizations.models import Organization
from portal.providers.models import Provider, Subscription
from portal.providers.services import Identity
from tests.conftest import ApiOf
from tests.portal.connections.certificates import Authority, new_key, p12
from tests.portal.providers.identities import identity

ACME = "/api/v1/organizations/acme"
URL = f"{ACME}/subscriptions"


@pytest.fixture
def api(alice: User, acme: Organization, api_of: ApiOf) -> APIClient:
    return api_of(alice)


def body_of(own: Identity) -> dict[str, str]:
    return {
        "certificate_chain": own.certificate_chain.decode(),
        "private_key": own.private_key.decode(),
    }


def test_a_key_made_here_and_its_certificate_connect_a_provider(
    api: APIClient, northgate: Provider
) -> None:
    key = f"{ACME}/providers/{northgate.pk}/key"
    made = api.post(key).json()
    assert "PRIVATE" not in str(made)
    signed = Authority().sign_request(made["signing_request"]).decode()

    answer = api.post(URL, {"provider": str(northgate.pk), "certificate_chain": signed})

    assert answer.status_code == 201
    assert answer.json()["provider"]["short_name"] == "Northgate"
    assert api.get(key).status_code == 404


def test_a_pkcs12_file_connects_a_provider(api: APIClient, northgate: Provider) -> None:
    key = new_key()
    file = b64encode(p12(key, Authority().sign(key.public_key()))).decode()

    sent = {"provider": str(northgate.pk), "pkcs12": file, "password": "secret"}

    assert api.post(URL, sent).status_code == 201
    assert api.post(URL, sent).json()["code"] == "already-connected"


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"provider": "00000000-0000-4000-8000-000000000000"}, "provider", "no-such-provider"),
        ({"provider": "x"}, "provider", "not-an-id"),
        ({}, "certificate_chain", "missing"),
        ({"private_key": "x"}, "certificate_chain", "missing"),
        ({"certificate_chain": "x", "private_key": "x"}, "private_key", "no-key"),
        ({"pkcs12": "***"}, "pkcs12", "not-base64"),
        ({"pkcs12": "AAAA"}, "pkcs12", "not-pkcs12"),
        ({"certificate_chain": "x" * 65_537, "private_key": "x"}, "certificate_chain", "too-long"),
    ],
)
def test_an_error_names_its_field(
    api: APIClient, northgate: Provider, sent: dict[str, str], field: str, code: str
) -> None:
    answer = api.post(URL, {"provider": str(northgate.pk), **sent})

    assert answer.status_code == 400
    assert (field, code) in [(one["field"], one["code"]) for one in answer.json()["errors"]]
    assert not Subscription.objects.exists()


def test_a_new_certificate_is_tested_first(api: APIClient, acme_northgate: Subscription) -> None:
    own = identity()

    answer = api.post(f"{URL}/{acme_northgate.pk}/certificate", body_of(own))

    assert answer.status_code == 202
    assert answer.json()["new_certificate"] is True
    assert answer.json()["result"] is None
    used = api.post(f"{URL}/{acme_northgate.pk}/certificate/use")
    assert used.status_code == 200
    assert Subscription.objects.get().certificate_chain.encode() == own.certificate_chain


def test_a_test_returns_its_steps(api: APIClient, acme_northgate: Subscription) -> None:
    url = f"{URL}/{acme_northgate.pk}/test"
    assert api.get(url).status_code == 404
    assert api.post(url).status_code == 202
    [test] = services.take_due_tests(timezone.now(), at_most=1)
    step = ConnectionStep(step=StepName.NAME, state=StepState.PASSED, addresses=("192.0.2.1",))
    services.end_test(test, [step], ConnectionResult.PASSED, timezone.now())

    shown = api.get(url).json()

    assert shown["result"] == "passed"
    assert shown["steps"][0]["because"] == "192.0.2.1."


def test_the_order_and_whether_it_is_asked_change(
    api: APIClient, acme_northgate: Subscription
) -> None:
    url = f"{URL}/{acme_northgate.pk}"

    shown = api.patch(url, {"enabled": False, "priority": 1}).json()

    assert (shown["enabled"], shown["priority"]) == (False, 1)
    assert api.patch(url, {"priority": "first"}).status_code == 400


def test_a_disconnected_provider_is_not_listed(
    api: APIClient, acme_northgate: Subscription
) -> None:
    url = f"{URL}/{acme_northgate.pk}"

    assert api.delete(url).status_code == 204

    assert api.get(URL).json()["results"] == []
    assert api.delete(url).status_code == 404


@pytest.mark.parametrize(
    "call",
    [("patch", "", {"enabled": False}), ("delete", "", {}), ("post", "/test", {}),
     ("get", "/test", {}), ("post", "/certificate", {})],
)  # fmt: skip
def test_another_organization_finds_nothing(
    charlie: User, globex: Organization, acme_northgate: Subscription, api_of: ApiOf, call: Any
) -> None:
    method, path, body = call
    for slug in ("acme", "globex"):
        url = f"/api/v1/organizations/{slug}/subscriptions/{acme_northgate.pk}{path}"
        assert getattr(api_of(charlie), method)(url, body).status_code == 404
