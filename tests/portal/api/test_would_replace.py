"""409 would-replace, at every call that could end another request's filter."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import ResourceFactory

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"
PLANS = "/api/v1/organizations/acme/standby-plans"
WIDE = {"targets": {"prefixes": ["2001:db8:10:a0::/60"]}}
PART = {"targets": {"prefixes": ["2001:db8:10:a1::/64"]}}
LOSES = ["2001:db8:10:a0::/60 except 2001:db8:10:a1::/64"]


@pytest.fixture
def api(
    dana: User,
    api_of: ApiOf,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> APIClient:
    ResourceFactory.create(organization=acme, name="Network", value="2001:db8:10::/48")
    return api_of(dana)


@pytest.fixture
def wide(api: APIClient) -> str:
    """The id of a live request for the /60."""
    return str(api.post(REQUESTS, WIDE).json()["id"])


def would_replace(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"]) == ("would-replace", 409)
    replaces: list[dict[str, Any]] = body["replaces"]
    return replaces


def test_an_overlapping_request_is_refused_with_the_loss(api: APIClient, wide: str) -> None:
    answer = api.post(REQUESTS, PART)

    assert would_replace(answer) == [
        {
            "request": wide,
            "unknown_mitigation": None,
            "name": "2001:db8:10:a0::/60",
            "status": "requesting",
            "providers": ["Northgate"],
            "loses": LOSES,
            "protects_all": True,
        }
    ]
    assert MitigationRequest.objects.count() == 1


def test_a_request_that_would_lose_nothing_must_be_named_too(api: APIClient, wide: str) -> None:
    [replaced] = would_replace(api.post(REQUESTS, WIDE))

    assert (replaced["request"], replaced["loses"]) == (wide, [])


def test_naming_it_sends_the_request(api: APIClient, wide: str) -> None:
    answer = api.post(REQUESTS, {**PART, "replaces": [wide]})

    assert answer.status_code == 202
    assert answer.json()["replaces"] == [wide]


def test_a_new_overlap_is_answered_with_the_complete_list(api: APIClient, wide: str) -> None:
    other = api.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.7/32"]}}).json()["id"]
    both = {"targets": {"prefixes": ["2001:db8:10:a1::/64", "203.0.113.7/32"]}}

    replaced = would_replace(api.post(REQUESTS, {**both, "replaces": [wide]}))

    assert [one["request"] for one in replaced] == [wide, other]
    assert api.post(REQUESTS, {**both, "replaces": [wide, other]}).status_code == 202


@pytest.mark.parametrize(
    ("replaces", "field", "code"),
    [
        (["unknown"], "replaces.0", "not-replaced"),
        ("wide, unknown", "replaces.1", "not-replaced"),
        ("everything", "replaces", "wrong-type"),
        ([7], "replaces.0", "not-an-id"),
        (["x"] * 101, "replaces", "too-many"),
    ],
)
def test_an_invalid_list_is_an_error_at_its_field(
    api: APIClient, wide: str, replaces: Any, field: str, code: str
) -> None:
    if replaces == ["unknown"]:
        replaces = [str(uuid4())]
    elif replaces == "wide, unknown":
        replaces = [wide, str(uuid4())]

    answer = api.post(REQUESTS, {**PART, "replaces": replaces})

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert MitigationRequest.objects.count() == 1


def test_another_tenants_request_is_answered_like_an_unknown_one(
    api: APIClient,
    wide: str,
    charlie: User,
    globex: Organization,
    globex_northgate: Subscription,
    api_of: ApiOf,
) -> None:
    ResourceFactory.create(organization=globex, value="2001:db8:10::/48")
    theirs = (
        api_of(charlie).post(REQUESTS.replace("acme", "globex"), PART | {"reason": "ours"}).json()
    )

    answers = [
        api.post(REQUESTS, {**PART, "replaces": [wide, other]}).json()
        for other in (theirs["id"], str(uuid4()))
    ]

    assert answers[0] == answers[1]


def test_a_repeated_key_gives_the_first_answer(api: APIClient, wide: str) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "form-1"}
    would_replace(api.post(REQUESTS, PART, **key))  # type: ignore[arg-type]  # headers of the test client

    body = {**PART, "replaces": [wide]}
    first = api.post(REQUESTS, body, **key)  # type: ignore[arg-type]
    api.post(f"{REQUESTS}/{wide}/terminate")
    again = api.post(REQUESTS, body, **key)  # type: ignore[arg-type]

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize("call", ["preview", "eligibility"])
def test_preview_and_eligibility_give_the_same_answer_and_send_nothing(
    api: APIClient, wide: str, call: str
) -> None:
    unnamed = api.post(f"{REQUESTS}/{call}", PART).json()
    named = api.post(f"{REQUESTS}/{call}", {**PART, "replaces": [wide]}).json()
    strange = api.post(f"{REQUESTS}/{call}", {**PART, "replaces": [str(uuid4())]})

    assert unnamed["replaces"] == would_replace(api.post(REQUESTS, PART))
    assert (unnamed["would_replace"], named["would_replace"]) == (True, False)
    assert named["replaces"] == unnamed["replaces"]
    assert strange.json()["errors"][0]["field"] == "replaces.0"
    assert MitigationRequest.objects.count() == 1


def test_activating_a_plan_gives_the_same_answer(api: APIClient, wide: str) -> None:
    plan = api.post(PLANS, {**PART, "name": "Part"}).json()["id"]

    [replaced] = would_replace(api.post(f"{PLANS}/{plan}/activate"))
    activated = api.post(f"{PLANS}/{plan}/activate", {"replaces": [wide]})

    assert (replaced["request"], replaced["loses"]) == (wide, LOSES)
    assert activated.status_code == 202
    assert activated.json()["replaces"] == [wide]


def test_activating_a_plan_with_no_body_still_works(api: APIClient) -> None:
    plan = api.post(PLANS, {**PART, "name": "Part"}).json()["id"]

    assert api.post(f"{PLANS}/{plan}/activate").status_code == 202


def test_asking_a_provider_manually_gives_the_same_answer(
    api: APIClient, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    part = api.post(REQUESTS, {**PART, "subscriptions": [str(acme_northgate.pk)]}).json()["id"]
    wide = api.post(REQUESTS, {**WIDE, "subscriptions": [str(acme_tidewall.pk)]}).json()["id"]
    ask = f"{REQUESTS}/{part}/mitigations/ask"
    body = {"subscription": str(acme_tidewall.pk)}

    [replaced] = would_replace(api.post(ask, body))
    asked = api.post(ask, {**body, "replaces": [wide]})

    assert (replaced["request"], replaced["loses"]) == (wide, LOSES)
    assert asked.status_code == 202
    assert asked.json()["replaces"] == [wide]


def test_extending_needs_no_consent(api: APIClient, wide: str) -> None:
    part = api.post(REQUESTS, {**PART, "replaces": [wide]}).json()["id"]

    assert api.post(f"{REQUESTS}/{part}/extend", {"lifetime": 7200}).status_code == 202
