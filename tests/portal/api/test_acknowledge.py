from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"
ALL = f"{REQUESTS}/acknowledge"


@pytest.fixture
def api(
    dana: User, api_of: ApiOf, shop: ProtectedResource, acme_northgate: Subscription
) -> APIClient:
    return api_of(dana)


@pytest.fixture
def ended(api: APIClient, dana: User) -> list[str]:
    ids = [
        api.post(REQUESTS, {"targets": {"prefixes": [f"203.0.113.{index}/32"]}}).json()["id"]
        for index in range(2)
    ]
    for one in ids:
        services.terminate(request_id=one, actor=dana)
    return ids


def acknowledged() -> int:
    return MitigationRequest.objects.filter(acknowledged_at__isnull=False).count()


def test_several_are_acknowledged_with_one_call_and_shown_in_its_order(
    api: APIClient, ended: list[str]
) -> None:
    first = api.post(ALL, {"requests": ended[::-1]})
    again = api.post(ALL, {"requests": [*ended, ended[0]]})

    assert first.status_code == again.status_code == 200
    assert [one["id"] for one in first.json()["results"]] == ended[::-1]
    assert [one["id"] for one in again.json()["results"]] == ended
    assert {one["acknowledged_by"] for one in first.json()["results"]} == {"dana"}
    assert again.json()["results"] == first.json()["results"][::-1]


@pytest.mark.parametrize(
    ("case", "status", "code", "field"),
    [
        ("unknown", 400, "unknown-request", "requests.2"),
        ("live", 409, "", ""),
        ("not an id", 400, "not-an-id", "requests.2"),
        ("too many", 400, "too-many", "requests"),
        ("not a list", 400, "wrong-type", "requests"),
        ("missing", 400, "required", "requests"),
    ],
)
def test_invalid_ids_acknowledge_nothing(
    api: APIClient, ended: list[str], case: str, status: int, code: str, field: str
) -> None:
    bodies: dict[str, Any] = {
        "unknown": {"requests": [*ended, str(uuid4())]},
        "not an id": {"requests": [*ended, "x"]},
        "too many": {"requests": [str(uuid4())] * 101},
        "not a list": {"requests": ended[0]},
        "missing": {},
    }
    if case == "live":
        live = api.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.9/32"]}}).json()["id"]
        bodies["live"] = {"requests": [*ended, live]}

    answer = api.post(ALL, bodies[case])

    assert answer.status_code == status
    if code:
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == (field, code)
    else:
        assert answer.json()["code"] == "not-ended"
    assert acknowledged() == 0


def test_a_code_says_why_a_request_is_over(api: APIClient, ended: list[str]) -> None:
    shown = api.get(f"{REQUESTS}/{ended[0]}").json()

    assert (shown["status"], shown["ended_by"]) == ("terminated", "person")
