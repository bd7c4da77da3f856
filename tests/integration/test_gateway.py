"""Requests to a provider through a real gateway: what reaches the provider, and what the
pages say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.integration.gateways import Gateway, point_at, prepare
from tests.integration.stack import Api, NewStack, Pages, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

ApiAs = Callable[[str], Api]
READINESS = "/organizations/acme/readiness"


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    with new_stack("gateway") as stack:
        yield stack


@pytest.fixture(scope="module")
def gateways(stack: Stack) -> Iterator[dict[str, Gateway]]:
    """Northgate is reached through edge-1; edge-2 does not run yet."""
    made = prepare(stack, "northgate")
    try:
        lead_to_northgate(stack, made["edge-1"])
        point_at(stack, "Northgate", made["edge-1"])
        yield made
    finally:
        for gateway in made.values():
            gateway.process.stop()


@pytest.fixture(scope="module")
def edge(gateways: dict[str, Gateway]) -> Gateway:
    return gateways["edge-1"]


@pytest.fixture(scope="module")
def dana(stack: Stack) -> Iterator[Pages]:
    pages = Pages(stack, "dana")
    yield pages
    pages.close()


@pytest.fixture(autouse=True)
def _calm(stack: Stack, edge: Gateway) -> None:
    for provider in ("northgate", "tidewall"):
        control(stack, provider, "/behaviour", {"status_delay_s": 0.2, "attack_ends_after_s": None})
    wait_for(edge.is_up)


def lead_to_northgate(stack: Stack, edge: Gateway) -> None:
    edge.lead_to(stack, "northgate", stack.simulator("northgate").signal_port)


def northgate(api: Api) -> list[str]:
    listed = api.get("organizations/acme/subscriptions")["results"]
    return [one["id"] for one in listed if one["provider"]["name"].startswith("Northgate")]


def page(pages: Pages, request_id: str) -> str:
    return pages.text(f"/organizations/acme/requests/{request_id}")


def mitigation(api: Api, request_id: str) -> dict[str, Any]:
    first: dict[str, Any] = shown(api, request_id)["mitigations"][0]
    return first


def is_over(api: Api, request: dict[str, Any]) -> bool:
    return bool(shown(api, request["id"])["status"] == "terminated")


def test_a_request_lives_at_the_provider_behind_the_gateway(
    stack: Stack, api_as: ApiAs, dana: Pages
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.7/32"
    request = submit(alice, prefix, subscriptions=northgate(alice), lifetime=600)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")

    (there,) = believed(stack, "northgate", prefix)
    assert (there["client"], there["mid"]) == ("edge-1", mitigation(alice, request["id"])["mid"])
    said = page(dana, request["id"])
    assert "Goes through gateway edge-1, which connects to Northgate." in said
    assert "Reports that it is filtering." in said

    alice.post(f"{REQUESTS}/{request['id']}/extend", {"lifetime": 7200})
    wait_for(lambda: believed(stack, "northgate", prefix)[0]["lifetime_remaining"] > 3600)
    alice.post(f"{REQUESTS}/{request['id']}/efficacy", {"attack_status": "under-attack"})
    wait_for(lambda: believed(stack, "northgate", prefix)[0]["attack_status"] is not None)
    there_now = f"/mitigations/{there['cuid']}/{there['mid']}/status"
    control(stack, "northgate", there_now, {"status": 3})
    # Pushed, not polled: it arrives before the next poll is due.
    wait_for(lambda: shown(alice, request["id"])["status"] == "attack_stopped")

    alice.post(f"{REQUESTS}/{request['id']}/terminate")
    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")
    wait_for(lambda: not [one for one in believed(stack, "northgate", prefix) if one["status"] < 5])


def test_a_dead_provider_behind_its_gateway_is_not_shown_as_filtering(
    stack: Stack, api_as: ApiAs, dana: Pages, edge: Gateway
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.8/32"
    running = submit(alice, prefix, subscriptions=northgate(alice))
    wait_for(lambda: shown(alice, running["id"])["status"] == "mitigating")

    stack["northgate"].kill()
    try:
        asked = submit(alice, "203.0.113.9/32", subscriptions=northgate(alice))
        wait_for(lambda: mitigation(alice, asked["id"])["retry_at"] is not None)
        said = page(dana, asked["id"])
        assert re.search(
            r"Gateway edge-1 says: the provider (does not answer|cannot be reached)\.", said
        )
        assert "Northgate says" not in said

        # The gateway is heard throughout; from the provider nothing came for three heartbeats.
        with psycopg.connect(stack.database_url) as connection:
            connection.execute(
                "UPDATE mitigations_mitigation SET last_heard_at = last_heard_at - interval '2 min'"
                " WHERE request_id = %s",
                [running["id"]],
            )
        assert "this is the last known status" in page(dana, running["id"])
    finally:
        stack["northgate"].start()
        stack["northgate"].wait_until_ready()
    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
    wait_for(lambda: len(believed(stack, "northgate", "203.0.113.9/32")) == 1)
    for request in (running, asked):
        alice.post(f"{REQUESTS}/{request['id']}/terminate")
    wait_for(lambda: is_over(alice, running) and is_over(alice, asked))


@pytest.mark.rule("SC-107")
def test_looping_gateways_are_named_and_retried_manually(
    stack: Stack, api_as: ApiAs, dana: Pages, gateways: dict[str, Gateway]
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.10/32"
    edge, other = gateways["edge-1"], gateways["edge-2"]
    other.lead_to(stack, "edge-1", edge.signal_port)
    edge.lead_to(stack, "edge-2", other.signal_port)
    wait_for(lambda: edge.is_up() and other.is_up())
    wait_for(lambda: {"acme", "globex"} <= clients(edge))

    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")

    lost, helping = shown(alice, request["id"])["mitigations"]
    assert (lost["refusal"]["code"], lost["retry_at"]) == ("5.08", None)
    assert helping["status"] == "mitigating"
    said = page(dana, request["id"])
    assert "The request did not reach Northgate." in said
    assert "It looped through edge-1 and edge-2." in said
    assert "Ask Northgate again now" in said
    said = dana.text(READINESS)
    assert "requests do not reach Northgate" in said
    assert "it looped through edge-1 and edge-2." in said

    lead_to_northgate(stack, edge)
    wait_for(lambda: edge.is_up() and {"acme"} <= clients(edge))
    asked = {"subscription": northgate(alice)[0]}
    alice.post(f"{REQUESTS}/{request['id']}/mitigations/ask", asked)
    wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
    wait_for(lambda: mitigation(alice, request["id"])["status"] == "mitigating")
    assert "it looped" not in dana.text(READINESS)
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def clients(gateway: Gateway) -> set[str]:
    return {session["client"] for session in gateway.state()["sessions"]}
