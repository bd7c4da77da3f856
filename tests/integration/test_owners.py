"""One worker owns a subscription, whatever happens to it; the others take over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import httpx
import psycopg
import pytest

from local_stack.processes import Process
from portal.signaling.leasing.lease_fence import LEASE, OPEN_FOR_S
from tests.dots_client.loss.relay import Passage, Relay
from tests.integration.network import proxied, sent_from, udp_ports, watched
from tests.integration.stack import Api, NewStack, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit

TAKEN_OVER_WITHIN_S = LEASE.total_seconds() + 15
PAUSED_S = 60.0
SETTLED_S = 0.5
"""Datagrams in the network when the process was stopped have arrived by then."""
LISTENED_S = 4.0
"""After resuming: longer than every timer that fell due during the pause."""
ALERT: Final = 21
MAX_ALERT_BYTES: Final = 64
"""One record: with a CoAP message as well it would be longer."""


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    with new_stack("owners", signal_workers=2) as stack:
        yield stack


@pytest.fixture(scope="module")
def relay(stack: Stack) -> Iterator[Relay]:
    """Between the portal and Northgate.

    Its provider notifies often, so that much is waiting for a resuming worker.
    """
    control(stack, "northgate", "/behaviour", {"notify_interval_s": 0.2, "status_delay_s": 0.1})
    with watched(stack, "northgate") as relay:
        # Sessions that bypassed the relay are forgotten with their provider's memory.
        control(stack, "northgate", "/crash", {})
        for worker in stack.signal_workers:
            worker.restart()
        wait_for(lambda: sessions(stack) == 2)
        yield relay


@pytest.fixture(autouse=True)
def _everything_runs_again(stack: Stack) -> Iterator[None]:
    yield
    for worker in stack.signal_workers:
        worker.thaw()
        if not worker.is_running:
            worker.start()
            worker.wait_until_ready()


def sessions(stack: Stack) -> int:
    return len(control(stack, "northgate", "/state")["sessions"])


def owner(stack: Stack) -> tuple[Process, Process]:
    """The owner of acme's subscription at Northgate, and the other worker. While there is none,
    because the last one was declared dead, wait for the next.
    """
    name = wait_for(lambda: _owner_name(stack))
    workers = sorted(stack.signal_workers, key=lambda worker: f"-{worker.pid}-" not in name)
    assert f"-{workers[0].pid}-" in name
    return workers[0], workers[1]


def _owner_name(stack: Stack) -> str:
    with psycopg.connect(stack.database_url) as connection:
        (name,) = connection.execute(
            "SELECT l.worker_id FROM signaling_lease l"
            " JOIN providers_subscription s ON s.id = l.subscription_id"
            " JOIN providers_provider p ON p.id = s.provider_id"
            " JOIN organizations_organization o ON o.id = s.organization_id"
            " WHERE o.slug = 'acme' AND p.short_name = 'Northgate'"
        ).fetchone() or ("",)
    return str(name)


def assert_only_closes(passages: Sequence[Passage]) -> None:
    """Each session ended with a close_notify and no other message."""
    assert [(one.content_type, one.size <= MAX_ALERT_BYTES) for one in passages] == [
        (ALERT, True)
    ] * len({one.client for one in passages})


def test_a_paused_worker_closes_its_sessions_when_it_resumes(
    stack: Stack, api_as: Callable[[str], Api], relay: Relay
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.30/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
    paused, other = owner(stack)
    ports = udp_ports(paused)
    assert sent_from(relay, ports)

    paused.freeze()
    alice.post(f"{REQUESTS}/{request['id']}/extend", {"lifetime": 7200})
    wait_for(lambda: owner(stack)[0] is other, within_s=TAKEN_OVER_WITHIN_S)
    wait_for(lambda: believed(stack, "northgate", prefix)[0]["lifetime_remaining"] > 3600)
    woken_at = time.monotonic()
    assert sessions(stack) > 2, "the provider still holds those of the worker that is paused"
    paused.thaw()
    time.sleep(LISTENED_S)

    said = sent_from(relay, ports, since=woken_at)
    assert said
    assert_only_closes(said)
    wait_for(lambda: sessions(stack) == 2)
    assert owner(stack)[0] is other
    alice.post(f"{REQUESTS}/{request['id']}/terminate")
    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")


@pytest.mark.timeout(300)
def test_a_worker_paused_for_a_minute_closes_its_sessions_and_then_works_again(
    stack: Stack, api_as: Callable[[str], Api], relay: Relay
) -> None:
    alice, kept, ended = api_as("alice"), "203.0.113.33/32", "203.0.113.34/32"
    requests = [submit(alice, prefix)["id"] for prefix in (kept, ended)]
    wait_for(lambda: {shown(alice, one)["status"] for one in requests} == {"mitigating"})
    paused, other = owner(stack)
    ports = udp_ports(paused)
    assert sent_from(relay, ports)

    paused.freeze()
    frozen_at = time.monotonic()
    wait_for(lambda: owner(stack)[0] is other, within_s=TAKEN_OVER_WITHIN_S)
    # The provider may hear of both, but only from the current owner of the subscription.
    alice.post(f"{REQUESTS}/{requests[0]}/extend", {"lifetime": 7200})
    alice.post(f"{REQUESTS}/{requests[1]}/terminate")
    wait_for(lambda: shown(alice, requests[1])["status"] == "terminated")
    wait_for(lambda: believed(stack, "northgate", kept)[0]["lifetime_remaining"] > 3600)
    time.sleep(max(0.0, PAUSED_S - (time.monotonic() - frozen_at)))
    assert sent_from(relay, ports, since=frozen_at + SETTLED_S) == []
    (before,) = believed(stack, "northgate", kept)
    woken_at = time.monotonic()
    paused.thaw()
    time.sleep(LISTENED_S)

    assert woken_at - frozen_at >= PAUSED_S
    said = sent_from(relay, ports, since=woken_at)
    assert said
    assert_only_closes(said)
    assert owner(stack)[0] is other
    (after,) = believed(stack, "northgate", kept)
    assert (after["mid"], after["status"]) == (before["mid"], 2)
    assert not [one for one in believed(stack, "northgate", ended) if one["status"] < 5]
    wait_for(lambda: sorted(held(stack)) == [2, 2])
    alice.post(f"{REQUESTS}/{requests[0]}/terminate")
    wait_for(lambda: shown(alice, requests[0])["status"] == "terminated")


def test_a_worker_without_a_database_stops_sending_before_another_starts(
    stack: Stack, api_as: Callable[[str], Api], relay: Relay
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.31/32"
    url = httpx.URL(stack.database_url)
    with proxied(url.port or 5432) as proxy:
        cut_off, other = owner(stack)
        program = cut_off.program
        other.stop()
        cut_off.stop()
        through = str(url.copy_with(host="127.0.0.1", port=proxy.port))
        cut_off.program = replace(
            program, environment={**program.environment, "DATABASE_URL": through}
        )
        try:
            cut_off.start()
            cut_off.wait_until_ready()
            request = submit(alice, prefix)
            wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
            other.start()
            other.wait_until_ready()
            ports = udp_ports(cut_off)
            assert owner(stack)[0] is cut_off, "under attack nothing is given away"

            proxy.cut()
            wait_for(lambda: owner(stack)[0] is other, within_s=TAKEN_OVER_WITHIN_S)
            taken_at = time.monotonic()
            last = sent_from(relay, ports)[-1].at
            wait_for(lambda: sent_from(relay, udp_ports(other), since=taken_at - 1))
            first = sent_from(relay, udp_ports(other), since=last)[0].at
            proxy.restore()
            time.sleep(LISTENED_S)

            assert sent_from(relay, ports, since=taken_at) == []
            assert last < first
            wait_for(lambda: len(believed(stack, "northgate", prefix)) == 1)
        finally:
            cut_off.kill()
            cut_off.program = program
            alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_stopped_worker_hands_over_immediately(
    stack: Stack, api_as: Callable[[str], Api], relay: Relay
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.32/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] == "mitigating")
    leaving, other = owner(stack)
    before = udp_ports(other)

    asked_at = time.monotonic()
    leaving.ask_to_stop()
    wait_for(lambda: sent_from(relay, udp_ports(other) - before), within_s=TAKEN_OVER_WITHIN_S)
    took_s = sent_from(relay, udp_ports(other) - before)[0].at - asked_at
    leaving.wait_until_stopped()
    leaving.start()
    leaving.wait_until_ready()

    assert took_s < OPEN_FOR_S, "it waited until the lease ran out"
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_a_new_worker_gets_its_share_of_subscriptions(
    stack: Stack, api_as: Callable[[str], Api], relay: Relay
) -> None:
    one, two = stack.signal_workers
    two.stop()
    wait_for(lambda: held(stack) == [4], within_s=TAKEN_OVER_WITHIN_S)

    two.start()
    two.wait_until_ready()

    wait_for(lambda: held(stack) == [2, 2])
    assert one.is_running


def held(stack: Stack) -> list[int]:
    """How many subscriptions each owner holds."""
    with psycopg.connect(stack.database_url) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM signaling_lease GROUP BY worker_id"
        ).fetchall()
    return [number for (number,) in rows]
