"""Providers that do what RFC 9132 forbids or does not expect: protection neither lapses nor is
switched off by the portal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration import test_standby
from tests.integration.stack import Api, Stack, control, wait_for
from tests.integration.test_bad_days import _only_northgate
from tests.integration.test_main_job import REQUESTS, believed, submit
from tests.integration.test_main_job import shown as shown_request
from tests.integration.test_standby import held, shown

alice, plan = test_standby.alice, test_standby.plan
ODD = {
    "rearms_on_put": False,
    "keeps_preconfigured": False,
    "poll_code": None,
    "ignored_mid": None,
    "notify": True,
    "capability_bps": None,
    "retry_after_s": 60,
}


@pytest.fixture(autouse=True)
def _as_any_other_again(stack: Stack) -> Iterator[None]:
    yield
    control(stack, "northgate", "/behaviour", ODD)
    if not stack["signal-1"].is_running:
        stack["signal-1"].start()


def asked(stack: Stack, after: int, mid: int, method: str) -> list[dict[str, Any]]:
    """The requests about a mid that northgate received after its request number `after`."""
    found = control(stack, "northgate", f"/requests?after={after}")["requests"]
    return [one for one in found if (one["mid"], one["method"]) == (mid, method)]


def last(stack: Stack) -> int:
    number: int = control(stack, "northgate", "/requests")["last"]
    return number


@pytest.mark.timeout(300)
def test_a_plan_activated_while_contact_was_lost_keeps_filtering_after_the_reconnect(
    stack: Stack, alice: Api, plan: dict[str, Any]
) -> None:
    control(stack, "northgate", "/behaviour", {"rearms_on_put": True, "notify": False})
    ((mid, _triggered, _status),) = held(stack, "northgate")
    stack["signal-1"].kill()
    control(stack, "northgate", "/clients/acme/lose", {})
    wait_for(lambda: held(stack, "northgate") == [(mid, False, 2)])
    before = last(stack)

    stack["signal-1"].start()

    wait_for(lambda: shown(alice, plan)["request"]["status"] == "mitigating")
    # Long enough for the first messages of the session and for the polls after them.
    wait_for(lambda: len(asked(stack, before, mid, "GET")) >= 3)
    assert asked(stack, before, mid, "PUT") == []
    assert held(stack, "northgate") == [(mid, False, 2)]


def test_a_provider_that_gives_no_status_still_gets_renewals(stack: Stack, alice: Api) -> None:
    lifetime_s, prefix = 60, "203.0.113.40/32"
    control(stack, "northgate", "/behaviour", {"poll_code": "5.00", "notify": False})
    before = last(stack)
    request = submit(
        alice, prefix, lifetime=lifetime_s, auto_renew=True, subscriptions=_only_northgate(alice)
    )
    (there,) = wait_for(lambda: believed(stack, "northgate", prefix))
    mid = there["mid"]

    wait_for(lambda: len(asked(stack, before, mid, "PUT")) >= 3, within_s=2 * lifetime_s)

    granted, *renewed = asked(stack, before, mid, "PUT")[:3]
    assert renewed[0]["at"] - granted["at"] < lifetime_s / 2
    assert renewed[1]["at"] - renewed[0]["at"] < lifetime_s / 2
    (there,) = believed(stack, "northgate", prefix)
    assert there["status"] == 2
    assert there["lifetime_remaining"] > lifetime_s / 2
    assert shown_request(alice, request["id"])["status"] == "in_progress"
    polls = [one["at"] for one in asked(stack, before, mid, "GET") if one["observe"] is None]
    # The polls, probes and inventories each back off; without that there are 29.
    assert len(polls) <= 10
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_an_ignored_mid_does_not_delay_others(stack: Stack, alice: Api) -> None:
    first, second = "203.0.113.41/32", "203.0.113.42/32"
    ignored, kept = (
        submit(alice, prefix, subscriptions=_only_northgate(alice)) for prefix in (first, second)
    )
    both = ignored["id"], kept["id"]
    wait_for(lambda: {shown_request(alice, one)["status"] for one in both} == {"mitigating"})
    ((there,), (here,)) = (believed(stack, "northgate", prefix) for prefix in (first, second))
    control(stack, "northgate", "/behaviour", {"ignored_mid": there["mid"], "notify": False})

    control(stack, "northgate", f"/mitigations/{here['cuid']}/{here['mid']}/status", {"status": 3})

    wait_for(lambda: shown_request(alice, kept["id"])["status"] == "attack_stopped")
    control(stack, "northgate", "/behaviour", ODD)
    for request_id in both:
        alice.post(f"{REQUESTS}/{request_id}/terminate")


def test_a_plan_still_held_after_its_end_ends_with_its_lifetime(stack: Stack, alice: Api) -> None:
    prefix = "203.0.113.32/27"
    control(stack, "northgate", "/behaviour", {"keeps_preconfigured": True})
    made = alice.post(
        test_standby.PLANS,
        {
            "name": "Kept",
            "targets": {"prefixes": [prefix]},
            "subscriptions": _only_northgate(alice),
        },
    )
    wait_for(lambda: all(one["held"] for one in shown(alice, made)["holders"]))
    ((mid, _triggered, _status),) = held(stack, "northgate", prefix)
    before = last(stack)

    assert alice.call("DELETE", f"{test_standby.PLANS}/{made['id']}").status_code == 204

    wait_for(lambda: held(stack, "northgate", prefix) == [])
    wait_for(lambda: shown_request(alice, made["request"]["id"])["status"] == "terminated")
    assert [one["answer"] for one in asked(stack, before, mid, "DELETE")] == ["2.02"]
    (told_again,) = asked(stack, before, mid, "PUT")
    (scope,) = told_again["body"]["ietf-dots-signal-channel:mitigation-scope"]["scope"]
    assert (scope["lifetime"], scope["trigger-mitigation"]) == (1, False)
    events = alice.get("organizations/acme/events", after=0, limit=1000)["results"]
    assert [one for one in events if one["data"].get("why") == "still_held"]


def test_an_efficacy_update_is_repeated_when_the_provider_asks_to_wait(
    stack: Stack, alice: Api
) -> None:
    prefix = "203.0.113.43/32"
    control(stack, "northgate", "/behaviour", {"capability_bps": 1, "retry_after_s": 3})
    request = submit(alice, prefix, subscriptions=_only_northgate(alice))
    wait_for(lambda: [one["status"] for one in believed(stack, "northgate", prefix)] == [4])
    wait_for(lambda: shown_request(alice, request["id"])["mitigations"][0]["status"] == "exceeded")

    alice.post(f"{REQUESTS}/{request['id']}/efficacy", {"attack_status": "under-attack"})

    def state() -> str:
        state: str = shown_request(alice, request["id"])["mitigations"][0]["efficacy"]["state"]
        return state

    wait_for(lambda: state() == "put_off")
    control(stack, "northgate", "/behaviour", {"capability_bps": None})
    wait_for(lambda: state() == "accepted")
    assert believed(stack, "northgate", prefix)[0]["attack_status"] == 1
    alice.post(f"{REQUESTS}/{request['id']}/terminate")
