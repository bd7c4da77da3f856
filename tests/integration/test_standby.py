"""Plans that providers hold, and drills, with real providers: the portal shows what they report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.stack import Api, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, ApiAs, believed

PLANS = "organizations/acme/standby-plans"
DRILLS = "organizations/acme/drills"
PROVIDERS = ("northgate", "tidewall")
PREFIX = "203.0.113.0/27"


@pytest.fixture
def alice(stack: Stack, api_as: ApiAs) -> Api:
    for provider in PROVIDERS:
        behaviour = {
            "accept": "always",
            "status_delay_s": 0.2,
            "attack_ends_after_s": None,
            "terminating_s": 1.0,
        }
        control(stack, provider, "/behaviour", behaviour)
    alice = api_as("alice")
    wait_for(lambda: all(one["session"]["state"] == "up" for one in _subscriptions(alice)))
    return alice


@pytest.fixture
def plan(alice: Api) -> Iterator[dict[str, Any]]:
    """A plan that both providers hold."""
    made = alice.post(PLANS, {"name": "Shop", "targets": {"prefixes": [PREFIX]}})
    wait_for(lambda: all(one["held"] for one in shown(alice, made)["holders"]))
    yield made
    removed = alice.call("DELETE", f"{PLANS}/{made['id']}")
    assert removed.status_code == 204


def _subscriptions(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("organizations/acme/subscriptions")["results"]
    return found


def shown(api: Api, plan: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = api.get(f"{PLANS}/{plan['id']}")
    return answer


def held(stack: Stack, provider: str, prefix: str = PREFIX) -> list[tuple[int, bool, int]]:
    """mid, trigger-mitigation and status of what the provider has for that prefix."""
    return [
        (one["mid"], one["scope"].get("trigger-mitigation", True), one["status"])
        for one in believed(stack, provider, prefix)
        if one["status"] != 6
    ]


@pytest.mark.rule("SC-071")
def test_a_plan_is_held_by_both_providers_and_filters_nothing(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    for provider in PROVIDERS:
        ((_mid, is_triggered, status),) = held(stack, provider)
        assert (is_triggered, status) == (False, 8)
    assert shown(alice, plan)["request"]["status"] == "standby"
    assert alice.get(REQUESTS, status="standby")["results"] == []


def test_an_activation_during_lost_contact_is_reported_after_the_reconnect(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    stack["signal-1"].kill()
    control(stack, "northgate", "/clients/acme/lose", {})
    wait_for(lambda: held(stack, "northgate")[0][2] == 2)
    # The state is unknown: the portal shows only the last report.
    assert shown(alice, plan)["request"]["status"] == "standby"
    wait_for(lambda: {one["session"]["state"] for one in _subscriptions(alice)} == {"down"})
    stack["signal-1"].start()

    request = wait_for(
        lambda: (now := shown(alice, plan)["request"])["status"] == "mitigating" and now
    )
    (acting,) = [one for one in request["mitigations"] if one["status"] == "mitigating"]
    session = next(one for one in _subscriptions(alice) if one["id"] == acting["subscription"])
    assert acting["mitigation_start"] < session["session"]["since"]
    events = alice.get("organizations/acme/events", after=0, limit=1000)["results"]
    assert [one for one in events if one["data"].get("mitigation_start")]

    # The attack ends: this is reported, and the plan is automatically held again.
    ((mid, _triggered, _status),) = held(stack, "northgate")
    cuid = believed(stack, "northgate", PREFIX)[0]["cuid"]
    control(stack, "northgate", f"/mitigations/{cuid}/{mid}/status", {"status": 3})
    wait_for(lambda: shown(alice, plan)["request"]["status"] == "attack_stopped")
    wait_for(lambda: shown(alice, plan)["request"]["status"] == "standby")
    assert all(one["held"] for one in shown(alice, plan)["holders"])


def test_filtering_for_a_plan_stops_and_the_plan_is_held_again_although_workers_die(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    control(stack, "northgate", "/behaviour", {"terminating_s": 8.0})
    ((old_mid, _triggered, _status),) = held(stack, "northgate")
    before = held(stack, "tidewall")
    control(stack, "northgate", "/clients/acme/lose", {})
    wait_for(lambda: shown(alice, plan)["request"]["status"] == "mitigating")

    # Pressed twice.
    for _ in range(2):
        stopped = alice.post(f"{PLANS}/{plan['id']}/stop")
        assert (stopped["on"], [one["stopping"] for one in stopped["holders"]]) == (
            True,
            [True, False],
        )
    wait_for(lambda: held(stack, "northgate") == [(old_mid, False, 5)])
    # While it winds down it gets no other request, and no worker is there to receive the end.
    stack["signal-1"].kill()
    wait_for(lambda: held(stack, "northgate") == [])
    assert shown(alice, plan)["request"]["status"] == "terminating"
    stack["signal-1"].start()

    wait_for(lambda: all(one["held"] for one in shown(alice, plan)["holders"]))
    ((mid, is_triggered, status),) = held(stack, "northgate")
    assert mid > old_mid
    assert (is_triggered, status) == (False, 8)
    assert held(stack, "tidewall") == before
    now = shown(alice, plan)
    assert (now["on"], now["request"]["status"]) == (True, "standby")
    asked = [one["mid"] for one in now["request"]["mitigations"]]
    assert len(asked) == 3, "pressed twice, asked once"


def test_a_manually_activated_plan_filters_and_stays_held(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    asked = alice.post(f"{PLANS}/{plan['id']}/activate")

    wait_for(lambda: alice.get(f"{REQUESTS}/{asked['id']}")["status"] == "mitigating")
    for provider in PROVIDERS:
        found = held(stack, provider)
        assert sorted((is_triggered, status) for _, is_triggered, status in found) == [
            (False, 8),
            (True, 2),
        ]
    alice.post(f"{REQUESTS}/{asked['id']}/terminate")
    wait_for(lambda: alice.get(f"{REQUESTS}/{asked['id']}")["status"] == "terminated")
    wait_for(lambda: all(one["held"] for one in shown(alice, plan)["holders"]))


@pytest.mark.rule("SC-045")
def test_a_changed_plan_leaves_one_version_at_each_provider(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    elsewhere = {"prefixes": ["203.0.113.64/27"]}
    answer = alice.call("PATCH", f"{PLANS}/{plan['id']}", json={"targets": elsewhere})
    assert answer.status_code == 202

    wait_for(lambda: all(one["held"] for one in shown(alice, plan)["holders"]))
    for provider in PROVIDERS:
        wait_for(lambda provider=provider: held(stack, provider) == [])  # type: ignore[misc]  # bound at once
        assert len(held(stack, provider, "203.0.113.64/27")) == 1


def test_a_drill_is_confirmed_withdrawn_and_timed_without_touching_the_plan(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    before = {provider: held(stack, provider) for provider in PROVIDERS}

    started = alice.post(DRILLS)
    drill = wait_for(lambda: (newest := alice.get(DRILLS)["results"][0])["ended_at"] and newest)

    assert drill["id"] == started["id"]
    assert drill["passed"], drill
    for check in drill["checks"]:
        assert check["way"] == "request"
        assert check["sent_at"] <= check["confirmed_at"] <= check["told_at"] <= check["ended_at"]
    assert {provider: held(stack, provider) for provider in PROVIDERS} == before
    assert shown(alice, plan)["request"]["status"] == "standby"


def test_a_drill_fails_if_the_provider_is_silent(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    control(stack, "tidewall", "/behaviour", {"accept": "silent"})
    try:
        alice.post(DRILLS)
        drill = wait_for(
            lambda: (newest := alice.get(DRILLS)["results"][0])["ended_at"] and newest, within_s=90
        )
    finally:
        control(stack, "tidewall", "/behaviour", {"accept": "always"})

    failures = {check["provider"]: check["failure"] for check in drill["checks"]}
    assert failures == {"Northgate Scrubbing": "", "Tidewall": "no_answer"}
