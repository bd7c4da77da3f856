"""Providers, workers and brokers that die in the middle: no request is lost, and none is sent
twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dots_client
from provider_simulator.pki import client_credentials
from tests.integration.stack import Api, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

ApiAs = Callable[[str], Api]


@pytest.fixture(autouse=True)
def _everything_runs_again(stack: Stack) -> Iterator[None]:
    yield
    for process in stack.processes:
        if not process.is_running:
            process.start()
            process.wait_until_ready()


def test_a_request_waits_for_a_provider_that_is_down(stack: Stack, api_as: ApiAs) -> None:
    alice, prefix = api_as("alice"), "203.0.113.20/32"
    stack["northgate"].kill()

    request = submit(alice, prefix, subscriptions=_only_northgate(alice))
    assert request["status"] == "requesting"
    wait_for(lambda: _northgate(alice)["session"]["state"] in ("down", "connecting"))
    stack["northgate"].start()
    stack["northgate"].wait_until_ready()

    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_request_committed_without_a_running_worker_is_sent_by_the_next_one(
    stack: Stack, api_as: ApiAs
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.21/32"
    stack["signal-1"].kill()

    request = submit(alice, prefix)
    assert believed(stack, "northgate", prefix) == []
    stack["signal-1"].start()

    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_termination_reaches_a_provider_that_was_down(stack: Stack, api_as: ApiAs) -> None:
    alice, prefix = api_as("alice"), "203.0.113.22/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    stack["signal-1"].kill()

    ending = alice.post(f"{REQUESTS}/{request['id']}/terminate")
    assert ending["status"] == "terminating"
    assert believed(stack, "northgate", prefix)[0]["status"] < 5
    stack["signal-1"].start()

    wait_for(lambda: not [one for one in believed(stack, "northgate", prefix) if one["status"] < 5])
    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")


def test_no_request_is_lost_while_the_broker_is_down(stack: Stack, api_as: ApiAs) -> None:
    alice, prefix = api_as("alice"), "203.0.113.23/32"
    stack["redis"].kill()

    request = submit(alice, prefix)

    # The signal worker's sweep finds the rows without a wake-up.
    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
    stack["redis"].start()
    stack["redis"].wait_until_ready()
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


@pytest.mark.rule("SC-059")
def test_a_request_the_provider_forgot_is_sent_again_under_the_same_mid(
    stack: Stack, api_as: ApiAs
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.24/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    (before,) = believed(stack, "northgate", prefix)

    control(stack, "northgate", "/forget", {})

    (again,) = wait_for(lambda: believed(stack, "northgate", prefix))
    assert again["mid"] == before["mid"]
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


@pytest.mark.rule("SC-094")
def test_a_silent_crash_of_a_provider_is_detected_and_the_request_sent_again(
    stack: Stack, api_as: ApiAs
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.25/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))

    control(stack, "northgate", "/crash", {})
    assert believed(stack, "northgate", prefix) == []

    # No close_notify: the portal notices the silence and opens a new session beside the old one.
    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1, within_s=90)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_cuid_taken_by_another_client_is_replaced_and_the_owner_notified(
    stack: Stack, api_as: ApiAs
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.26/32"
    control(stack, "northgate", "/crash", {})
    taken = asyncio.run(_take_cuid_of_acme(stack))

    request = submit(alice, prefix, subscriptions=_only_northgate(alice))
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))

    (there,) = believed(stack, "northgate", prefix)
    assert there["cuid"] != taken
    events = alice.get("organizations/acme/events", after=0, limit=1000)["results"]
    assert [one for one in events if one["data"].get("why") == "identity"]
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_request_gets_through_a_network_that_blocks_udp(stack: Stack, api_as: ApiAs) -> None:
    alice, prefix = api_as("alice"), "203.0.113.27/32"
    control(stack, "northgate", "/behaviour", {"loss": 1.0})
    try:
        stack["signal-1"].restart()
        wait_for(lambda: _northgate(alice)["session"]["transport"] == "tls")

        request = submit(alice, prefix)
        wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))
        assert len(believed(stack, "northgate", prefix)) == 1
        alice.post(f"{REQUESTS}/{request['id']}/terminate")
        wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")
    finally:
        control(stack, "northgate", "/behaviour", {"loss": 0.0})


async def _take_cuid_of_acme(stack: Stack) -> str:
    """globex's misconfigured client at Northgate sends a request under acme's cuid."""
    pki = stack.pki / "northgate"
    simulator = stack.simulator("northgate")
    server = dots_client.Server(
        name=simulator.server_name, host="127.0.0.1", port=simulator.signal_port
    )
    cuid = dots_client.cuid_from_certificate((pki / "client-acme.pem").read_bytes())
    scope = dots_client.Scope(targets=dots_client.Targets(target_prefix=("198.51.100.5/32",)))
    async with dots_client.connect(server, client_credentials(pki, "globex"), cuid=cuid) as client:
        await client.request(1, scope)
    return cuid


def _only_northgate(api: Api) -> list[str]:
    return [_northgate(api)["id"]]


def _northgate(api: Api) -> dict[str, Any]:
    listed: list[dict[str, Any]] = api.get("organizations/acme/subscriptions")["results"]
    return next(one for one in listed if one["provider"]["name"].startswith("Northgate"))
