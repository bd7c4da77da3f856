"""Request, follow, terminate: through the API and the socket, compared with the state of the
provider itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.integration.stack import Api, Stack, control, wait_for

ApiAs = Callable[[str], Api]
REQUESTS = "organizations/acme/mitigation-requests"


@pytest.fixture
def calm(stack: Stack) -> None:
    """Both providers help immediately and their attacks last."""
    for provider in ("northgate", "tidewall"):
        behaviour = {"accept": "always", "status_delay_s": 0.2, "attack_ends_after_s": None}
        control(stack, provider, "/behaviour", behaviour)


def submit(api: Api, prefix: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.post(REQUESTS, {"targets": {"prefixes": [prefix]}, **more})
    return answer


def shown(api: Api, request_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = api.get(f"{REQUESTS}/{request_id}")
    return answer


def believed(stack: Stack, provider: str, prefix: str) -> list[dict[str, Any]]:
    """The provider's own mitigations of that prefix."""
    state = control(stack, provider, "/state")
    return [one for one in state["mitigations"] if prefix in one["scope"]["target-prefix"]]


def socket(stack: Stack, token: str, after: int = 0) -> ClientConnection:
    url = stack.url.replace("http", "ws") + f"/ws/organizations/acme/events?after={after}"
    return connect(url, additional_headers={"Authorization": f"Bearer {token}"})


def until(events: ClientConnection, type_: str, **data: Any) -> dict[str, Any]:
    """The next event of that type that contains `data`."""
    while True:
        event: dict[str, Any] = json.loads(events.recv(timeout=20))
        if event["type"] == type_ and data.items() <= event["data"].items():
            return event


@pytest.mark.rule("SC-068")
def test_a_request_is_submitted_followed_and_terminated(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.7/32"
    after = alice.get("organizations/acme/events", after=0)
    last_seq = after["results"][-1]["seq"] if after["results"] else 0

    with socket(stack, alice.token, last_seq) as events:
        request = submit(alice, prefix, reason="HTTP flood on the shop")
        assert request["status"] == "requesting"

        until(events, "request.submitted")
        until(events, "mitigation.sent")
        until(events, "mitigation.status", status="in_progress")
        until(events, "mitigation.status", status="mitigating")
        counters = until(events, "mitigation.counters")["data"]
        while counters["bps_dropped"] == 0:  # a report of the first moment
            counters = until(events, "mitigation.counters")["data"]
        assert counters["pps_dropped"] > 0

        (there,) = believed(stack, "northgate", prefix)
        mitigation = shown(alice, request["id"])["mitigations"][0]
        assert (there["mid"], there["status"]) == (mitigation["mid"], mitigation["dots_status"])
        assert believed(stack, "tidewall", prefix) == []
        assert 0 < mitigation["lifetime_remaining"] <= 3600

        control(
            stack, "northgate", f"/mitigations/{there['cuid']}/{there['mid']}/status", {"status": 3}
        )
        until(events, "request.status", status="attack_stopped")

        alice.post(f"{REQUESTS}/{request['id']}/terminate")
        until(events, "mitigation.status", status="terminating")
        until(events, "mitigation.status", status="terminated")
        until(events, "request.status", status="terminated")

    wait_for(lambda: not [one for one in believed(stack, "northgate", prefix) if one["status"] < 5])
    wait_for(lambda: control(stack, "northgate", "/state")["observers"] == 0)
    ended = wait_for(lambda: alice.get(f"{REQUESTS}/{request['id']}")["ended_at"])
    acknowledged = alice.post(f"{REQUESTS}/{request['id']}/acknowledge", {"ended_at": ended})
    assert acknowledged["status"] == "terminated"


def test_another_tenant_sees_nothing_of_the_request(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice, charlie = api_as("alice"), api_as("charlie")
    request = submit(alice, "203.0.113.8/32")

    for call in ("terminate", "acknowledge"):
        answer = charlie.call("POST", f"{REQUESTS}/{request['id']}/{call}")
        assert answer.status_code == 404
    assert charlie.call("GET", f"{REQUESTS}/{request['id']}").status_code == 404
    own = charlie.get("organizations/globex/events", after=0)["results"]
    assert request["id"] not in json.dumps(own)

    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_an_efficacy_update_and_an_extension_reach_the_provider(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.9/32"
    request = submit(alice, prefix, lifetime=600)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")

    alice.post(f"{REQUESTS}/{request['id']}/extend", {"lifetime": 7200})
    wait_for(lambda: believed(stack, "northgate", prefix)[0]["lifetime_remaining"] > 3600)
    alice.post(f"{REQUESTS}/{request['id']}/efficacy", {"attack_status": "under-attack"})
    events = wait_for(
        lambda: [
            event
            for event in alice.get("organizations/acme/events", after=0)["results"]
            if event["type"] == "mitigation.efficacy"
            and event["request"] == request["id"]
            and event["data"]["answered"]
        ]
    )

    assert events[0]["data"]["accepted"] is True
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_the_next_provider_is_asked_after_a_refusal(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.10/32"
    control(stack, "northgate", "/behaviour", {"accept": "refuse", "refuse_code": "4.00"})

    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")

    first, second = shown(alice, request["id"])["mitigations"]
    assert (first["status"], first["refusal"]["code"]) == ("refused", "4.00")
    assert second["status"] == "mitigating"
    assert believed(stack, "northgate", prefix) == []
    assert len(believed(stack, "tidewall", prefix)) == 1
    # A provider that refused holds nothing: after the check whether the mid is in use there are no
    # polls.
    asked = control(stack, "northgate", "/requests")["requests"]
    own = [one for one in asked if (one["client"], one["mid"]) == ("acme", first["mid"])]
    assert [one["method"] for one in own if one["method"] != "PUT"] == ["GET"]
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_simultaneous_clicks_make_one_request_and_one_termination(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice, dana, prefix = api_as("alice"), api_as("dana"), "203.0.113.11/32"
    body, key = {"targets": {"prefixes": [prefix]}}, {"Idempotency-Key": "form-1"}

    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: alice.post(REQUESTS, body, **key), range(8)))
    (request_id,) = {answer["id"] for answer in answers}
    wait_for(lambda: shown(alice, request_id)["status"] == "mitigating")
    assert len(believed(stack, "northgate", prefix)) == 1

    with ThreadPoolExecutor(8) as together:
        ends = [alice, dana] * 4
        list(together.map(lambda person: person.post(f"{REQUESTS}/{request_id}/terminate"), ends))
    wait_for(lambda: shown(alice, request_id)["status"] == "terminated")
    events = alice.get("organizations/acme/events", after=0, limit=1000)["results"]
    asked = [one for one in events if one["type"] == "request.terminate_requested"]
    assert len([one for one in asked if one["request"] == request_id]) == 1


HOSTILE = {
    "not an address": {"targets": {"prefixes": ["203.0.113.300"]}},
    "host bits set": {"targets": {"prefixes": ["203.0.113.7/24"]}},
    "somebody else’s": {"targets": {"prefixes": ["198.51.100.0/25"]}},
    "no target": {"targets": {}},
    "no body": {},
    "ports upside down": {"ports": [{"lower": 443, "upper": 80}]},
    "lifetime 0": {"lifetime": 0},
    "lifetime -2": {"lifetime": -2},
    "lifetime 10^12": {"lifetime": 10**12},
    "lifetime beyond every integer": {"lifetime": 10**40},
    "1,000 targets": {"targets": {"prefixes": ["203.0.113.7"] * 1000}},
    "200 kB of reason": {"reason": "x" * 200_000},
    "NUL bytes": {"reason": "flood\0", "targets": {"prefixes": ["203.0.113.7\0"]}},
    "unknown ids": {"subscriptions": ["00000000-0000-0000-0000-000000000000"]},
    "words for numbers": {"lifetime": "long", "protocols": ["tcp"]},
    "a field nobody knows": {"priority": "high"},
}


@pytest.mark.rule("SC-040")
@pytest.mark.rule("SC-041")
@pytest.mark.parametrize("changes", list(HOSTILE.values()), ids=list(HOSTILE))
def test_invalid_input_is_reported_on_its_field_and_changes_nothing(
    stack: Stack, api_as: ApiAs, calm: None, changes: dict[str, Any]
) -> None:
    alice = api_as("alice")
    body = {"targets": {"prefixes": ["203.0.113.40"]}, **changes} if changes else {}
    newest = alice.get(REQUESTS, limit=1)["results"][0]["id"]

    answer = alice.call("POST", REQUESTS, json=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["errors"]
    assert all(error["message"] and error["code"] for error in problem["errors"])
    assert {error["field"].split(".")[0] for error in problem["errors"]} <= (
        set(changes) or {"targets"}
    )
    assert alice.get(REQUESTS, limit=1)["results"][0]["id"] == newest


def test_a_reconnected_page_replays_events_without_gap_or_repeat(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice = api_as("alice")
    with socket(stack, alice.token) as events:
        first = submit(alice, "203.0.113.12/32")
        seen = [until(events, "request.submitted")["seq"]]
    second = submit(alice, "203.0.113.13/32")
    wait_for(lambda: shown(alice, second["id"])["status"] == "mitigating")

    with socket(stack, alice.token, after=seen[-1]) as events:
        alice.post(f"{REQUESTS}/{first['id']}/terminate")
        alice.post(f"{REQUESTS}/{second['id']}/terminate")
        ends = 0
        while ends < 2:
            event = json.loads(events.recv(timeout=20))
            if event["type"] == "heartbeat":
                continue
            seen.append(event["seq"])
            ends += event["type"] == "request.terminate_requested"

    assert seen == list(range(seen[0], seen[0] + len(seen)))


@pytest.mark.rule("SC-045")
def test_a_newer_request_for_the_same_addresses_ends_the_older_one_and_both_pages_show_it(
    stack: Stack, api_as: ApiAs, calm: None
) -> None:
    alice = api_as("alice")
    older = submit(alice, "203.0.113.64/27")
    wait_for(lambda: shown(alice, older["id"])["status"] == "mitigating")

    refused = alice.call("POST", REQUESTS, json={"targets": {"prefixes": ["203.0.113.65/32"]}})
    newer = submit(alice, "203.0.113.65/32", replaces=[older["id"]])
    wait_for(lambda: shown(alice, newer["id"])["status"] == "mitigating")
    wait_for(lambda: shown(alice, older["id"])["status"] == "terminated")

    (mitigation,) = shown(alice, older["id"])["mitigations"]
    assert mitigation["status"] == "withdrawn"
    assert mitigation["conflict"]["mid"] == newer["mitigations"][0]["mid"]
    (replaced,) = refused.json()["replaces"]
    assert (refused.status_code, replaced["request"]) == (409, older["id"])
    assert mitigation["replaced_by"]["by"][0]["request"] == newer["id"]
    assert (
        mitigation["replaced_by"]["loses"]
        == replaced["loses"]
        == ["203.0.113.64/27 except 203.0.113.65/32"]
    )
    assert shown(alice, older["id"])["ended_by"] == "newer_request"
    assert len(believed(stack, "northgate", "203.0.113.65/32")) == 1
    alice.post(f"{REQUESTS}/{newer['id']}/terminate")
