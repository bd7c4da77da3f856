from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import path
from rest_framework.request import Request
from rest_framework.test import APIClient
from rest_framework.views import APIView

from portal.accounts.models import User
from portal.api import throttling, urls
from portal.api.parsers import MAX_COMMAS, MAX_DEPTH, MAX_ENTRIES, MAX_NAMES
from portal.core.body_limits import MAX_BODY_BYTES
from portal.core.throttle import Limit
from tests.conftest import ApiOf

RESOURCES = "/api/v1/organizations/acme/resources"


class Broken(APIView):
    def get(self, request: Request) -> None:
        raise RuntimeError("the database of secrets is at 10.0.0.1")


@pytest.fixture
def broken(settings: Any) -> str:
    settings.ROOT_URLCONF = (path("api/broken", Broken.as_view()),)
    return "/api/broken"


def problem(answer: Any) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "status", "detail", "code", "errors"} <= set(body)
    return dict(body)


def test_an_anonymous_call_is_401(acme: object) -> None:
    answer = APIClient().get(RESOURCES)

    assert problem(answer)["code"] == "not-signed-in"
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_an_unknown_call_is_404(db: None) -> None:
    answer = APIClient().get("/api/v1/no/such/call")

    assert answer.status_code == 404
    assert problem(answer)["code"] == "not-found"


def test_no_address_chooses_the_format_of_the_answer(alice: User, api_of: ApiOf) -> None:
    answer = api_of(alice).get("/api/v1/me?format=html")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


def test_an_unsupported_method_is_405(alice: User, api_of: ApiOf) -> None:
    answer = api_of(alice).delete(RESOURCES)

    assert answer.status_code == 405
    assert problem(answer)["code"] == "method-not-allowed"
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_other_media_types_are_415(alice: User, api_of: ApiOf, media_type: str) -> None:
    answer = api_of(alice).post(RESOURCES, data=b"name=x", content_type=media_type)

    assert answer.status_code == 415
    assert problem(answer)["code"] == "unsupported-media-type"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": "a", "name": "b"}',
        b"[" * 50_000,
        b'{"name": ' + b"9" * 5000 + b"}",
        b"",
    ],
)
def test_invalid_json_is_400(alice: User, api_of: ApiOf, body: bytes) -> None:
    answer = api_of(alice).post(RESOURCES, data=body, content_type="application/json")

    assert answer.status_code == 400
    problem(answer)


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "true"])
def test_a_body_other_than_an_object_is_400(alice: User, api_of: ApiOf, body: str) -> None:
    answer = api_of(alice).post(RESOURCES, data=body, content_type="application/json")

    assert answer.status_code == 400
    problem(answer)


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({f"name{number}": 1 for number in range(MAX_NAMES + 1)}, "names"),
        ({"x": {f"name{number}": 1 for number in range(MAX_NAMES + 1)}}, "names"),
        ([1] * (MAX_ENTRIES + 1), "entries"),
        ({"x": [[1] * (MAX_ENTRIES + 1)]}, "entries"),
        (nested(MAX_DEPTH + 1), "deep"),
        ([[[]] * 10] * (MAX_COMMAS // 10 + 2), "commas"),
    ],
)
def test_an_oversized_value_is_refused_as_a_whole(
    alice: User, api_of: ApiOf, body: Any, said: str
) -> None:
    answer = api_of(alice).post(RESOURCES, body)

    assert answer.status_code == 400
    assert problem(answer)["code"] == "malformed"
    assert said in problem(answer)["detail"]


@pytest.mark.parametrize("body", [nested(MAX_DEPTH), {"x": [1] * MAX_ENTRIES}])
def test_a_value_at_the_limit_is_reported_at_its_field(
    alice: User, api_of: ApiOf, body: Any
) -> None:
    assert problem(api_of(alice).post(RESOURCES, body))["code"] == "invalid"


def test_the_largest_body_is_read_and_one_byte_more_is_413(alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)
    small = json.dumps({"name": ""}).encode()
    largest = small + b" " * (MAX_BODY_BYTES - len(small))

    assert api.post(RESOURCES, data=largest, content_type="application/json").status_code == 400
    answer = api.post(RESOURCES, data=largest + b" ", content_type="application/json")

    assert answer.status_code == 413
    assert problem(answer)["code"] == "body-too-large"


def test_unknown_fields_are_named(alice: User, api_of: ApiOf) -> None:
    answer = api_of(alice).post(RESOURCES, {"name": "x", "kind": "prefix", "owner": 1})

    body = problem(answer)
    assert answer.status_code == 400
    assert body["errors"] == [
        {"field": "owner", "code": "unknown-field", "message": "Unknown field."}
    ]


def test_every_wrong_field_is_named_at_once(alice: User, api_of: ApiOf) -> None:
    answer = api_of(alice).post(RESOURCES, {"name": 1, "kind": "ship"})

    assert {(error["field"], error["code"]) for error in problem(answer)["errors"]} == {
        ("name", "wrong-type"),
        ("kind", "not-a-choice"),
        ("value", "required"),
    }


@pytest.mark.parametrize("odd", ["a\0b", "\ud800"])
def test_characters_the_database_cannot_store_are_refused(
    alice: User, api_of: ApiOf, odd: str
) -> None:
    body = json.dumps({"name": odd, "kind": "fqdn", "value": "shop.example.com"})

    answer = api_of(alice).post(RESOURCES, data=body, content_type="application/json")

    assert problem(answer)["errors"][0]["code"] == "odd-characters"


@pytest.mark.parametrize("inside", ["{}", '{"targets": {}}', '{"targets": [{}]}'])
@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "a\\ud83d", "\\ude00\\ud83d"])
def test_a_field_name_with_a_lone_surrogate_is_invalid_json(
    alice: User, api_of: ApiOf, inside: str, half: str
) -> None:
    """The answer would repeat the name, which cannot be encoded."""
    body = inside.replace("{}", f'{{"{half}": 1}}')

    answer = api_of(alice).post(RESOURCES, data=body, content_type="application/json")

    assert answer.status_code == 400
    assert problem(answer)["code"] == "malformed"


def test_an_unexpected_error_is_500_without_its_cause(
    db: None, alice: User, api_of: ApiOf, broken: str
) -> None:
    answer = api_of(alice).get(broken)

    body = problem(answer)
    assert answer.status_code == 500
    assert body["code"] == "portal-failed"
    assert body["reference"] in body["detail"]
    assert "10.0.0.1" not in answer.content.decode()


def test_an_unreachable_database_is_503(
    alice: User, api_of: ApiOf, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OperationalError("no connection")

    monkeypatch.setattr(Broken, "get", fails)

    answer = api_of(alice).get(broken)

    assert answer.status_code == 503
    assert problem(answer)["code"] == "unavailable"
    assert answer["Retry-After"] == "2"


def test_too_many_calls_are_429_with_the_time_to_wait(
    alice: User, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(
        name="api-person", tries=2, window_s=60, message="You have made too many requests."
    )
    monkeypatch.setattr(throttling, "CALLS_PER_PERSON", limit)
    api = api_of(alice)
    api.get("/api/v1/me")
    api.get("/api/v1/me")

    answer = api.get("/api/v1/me")

    assert answer.status_code == 429
    assert problem(answer)["code"] == "throttled"
    assert 0 < int(answer["Retry-After"]) <= 60


def test_terminating_is_never_throttled(
    alice: User, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(
        name="api-person", tries=0, window_s=60, message="You have made too many requests."
    )
    monkeypatch.setattr(throttling, "CALLS_PER_PERSON", limit)
    unknown = "/api/v1/organizations/acme/mitigation-requests/00000000-0000-4000-8000-000000000000"

    assert api_of(alice).get(unknown).status_code == 429
    assert api_of(alice).post(f"{unknown}/terminate").status_code == 404


def test_an_unknown_host_is_refused(db: None) -> None:
    assert Client().get("/api/v1/me", headers={"host": "evil.example"}).status_code == 400


def test_every_call_that_needs_sign_in_gives_the_same_401(db: None) -> None:
    open_calls = {
        "token", "schema", "docs", "no-such-call", "accept-invitation", "accept-staff-invitation",
        "receive-alerts",
    }  # fmt: skip
    closed = {str(pattern.name) for pattern in urls.urlpatterns} - open_calls

    assert closed == {
        "claims", "claim", "verify-claim", "refuse-claim", "organization-name", "closing",
        "admins", "admin-invitation", "remove-admin", "live-limit", "staff", "colleague",
        "staff-lost-phone", "confirm-staff-lost-phone", "staff-invitations", "staff-invitation",
        "send-staff-invitation",
        "me", "my-password", "my-factors", "my-factor", "my-recovery-codes",
        "resources", "subscriptions", "events", "requests", "requests-csv",
        "requests-jsonl", "request",
        "terminate", "extend", "efficacy", "acknowledge", "ask", "withdraw", "eligibility",
        "preview", "extend-preview", "wire", "standby-plans", "standby-plan", "activate-plan",
        "stop-plan",
        "drills", "readiness", "unknown-mitigations", "unknown-mitigation", "adopt-unknown",
        "withdraw-unknown",
        "acknowledge-all",
        "step-up", "organizations", "members", "member", "invitations", "invitation", "send-again",
        "lost-phone", "confirm-lost-phone", "resource", "proofs", "providers", "client-key",
        "subscription", "certificate",
        "use-certificate", "connection-test", "audit", "audit-export", "single-sign-on",
        "policy", "approvals", "approve", "decline", "break-glass",
        "my-notices", "my-sessions", "my-session", "my-email", "confirm-my-email", "my-app-key",
        "my-push-devices", "my-push-device",
        "my-tokens", "my-token", "service-tokens", "service-token",
        "suspension", "rejected-alerts", "replay-rejected-alerts", "rotate-alert-endpoint",
        "test-alert-endpoint", "test-alert-endpoint-poll",
        "alert-endpoint", "alert-endpoints", "alerts",
        "end-previous-secret", "acting",
        "alert-endpoint-policy", "incidents", "proposals", "proposal", "confirm-proposal",
        "dismiss-proposal",
        "channels", "channel", "rotate-channel", "end-channel-secret", "test-channel",
        "deliveries", "scorecard", "staff-scorecard", "service-levels", "notes", "take-over",
        "alerts-of-request",
    }  # fmt: skip
