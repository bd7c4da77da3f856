from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
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
def ended(api: APIClient, dana: User) -> list[dict[str, str]]:
    ids = [
        api.post(REQUESTS, {"targets": {"prefixes": [f"203.0.113.{index}/32"]}}).json()["id"]
        for index in range(2)
    ]
    for one in ids:
        services.terminate(request_id=one, actor=Actor.person(dana))
    return [{"request": one, "ended_at": ended_at(api, one)} for one in ids]


def ended_at(api: APIClient, request_id: str) -> str:
    shown = api.get(f"{REQUESTS}/{request_id}").json()
    return str(shown["filtering_ended_at"] or shown["ended_at"])


def acknowledged() -> int:
    return MitigationRequest.objects.filter(acknowledged_at__isnull=False).count()


def test_several_ends_are_acknowledged_in_one_call_and_returned_in_its_order(
    api: APIClient, ended: list[dict[str, str]]
) -> None:
    ids = [one["request"] for one in ended]

    first = api.post(ALL, {"ends": ended[::-1]})
    again = api.post(ALL, {"ends": [*ended, ended[0]]})

    assert first.status_code == again.status_code == 200
    assert [one["id"] for one in first.json()["results"]] == ids[::-1]
    assert [one["id"] for one in again.json()["results"]] == ids
    assert {one["acknowledged_by"] for one in first.json()["results"]} == {"dana"}
    assert again.json()["results"] == first.json()["results"][::-1]


MISSING = "00000000-0000-4000-8000-000000000000"
LONG_AGO = "0001-01-01T00:00:00+23:59"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "required", "ends"),
        ({"ends": MISSING}, "wrong-type", "ends"),
        ({"ends": [MISSING]}, "wrong-type", "ends.0"),
        ({"ends": [{}] * 101}, "too-many", "ends"),
        ({"ends": [{"request": "x", "ended_at": LONG_AGO}]}, "not-an-id", "ends.0.request"),
        ({"ends": [{"ended_at": LONG_AGO}]}, "required", "ends.0.request"),
        ({"ends": [{"request": MISSING}]}, "required", "ends.0.ended_at"),
        *(
            ({"ends": [{"request": MISSING, "ended_at": odd}]}, "not-a-time", "ends.0.ended_at")
            for odd in ("", "yesterday", "2026-11-28", "2026-11-28T03:12:00", 1764299520, ["x"])
        ),
    ],
)
def test_an_invalid_id_is_named(
    api: APIClient, body: dict[str, Any], code: str, field: str
) -> None:
    answer = api.post(ALL, body)

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)


@pytest.mark.parametrize(
    ("case", "status", "code"),
    [("unknown", 400, "invalid"), ("live", 409, "not-ended"), ("another end", 409, "ended-again")],
)
def test_one_invalid_end_prevents_acknowledging_any(
    api: APIClient, ended: list[dict[str, str]], case: str, status: int, code: str
) -> None:
    if case == "unknown":
        odd = {**ended[0], "request": MISSING}
    elif case == "live":
        live = api.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.9/32"]}}).json()["id"]
        odd = {**ended[0], "request": live}
    else:
        odd = {**ended[1], "ended_at": LONG_AGO}

    answer = api.post(ALL, {"ends": [*ended, odd]})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if case == "unknown":
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("ends.2", "unknown-request")
    assert acknowledged() == 0


def test_a_code_says_why_a_request_ended(api: APIClient, ended: list[dict[str, str]]) -> None:
    shown = api.get(f"{REQUESTS}/{ended[0]['request']}").json()

    assert (shown["status"], shown["ended_by"]) == ("terminated", "person")
