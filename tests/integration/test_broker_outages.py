"""Redis refuses, hangs, answers garbage or is down: no worker exits, no session closes, and
everything recovers on its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from portal.signaling.book import COMPARE_EVERY_S
from tests.integration.redis_faults import (
    FAULTS,
    Fault,
    hung,
    replica,
    stale_replica,
    stopped,
)
from tests.integration.stack import Api, NewStack, Stack, control, wait_for, wait_until_ended
from tests.integration.test_main_job import REQUESTS, believed, submit

ApiAs = Callable[[str], Api]
WORKERS = ("signal-1", "worker", "notices", "beat", "web")
REACHES_PROVIDER_WITHIN_S = COMPARE_EVERY_S / 2
"""The sweep found the request, not the comparison of all rows."""
BACK_WITHIN_S = 60.0

numbers = itertools.cycle(range(1, 60))
every_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
some_faults = pytest.mark.parametrize(
    "fault", [replica, stale_replica, hung, stopped], ids=lambda fault: fault.__name__
)
"""It refuses a command, the first PING, an answer, and the connection."""


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    """With every worker."""
    with new_stack("stack", without=()) as stack:
        yield stack


@pytest.fixture
def alice(api_as: ApiAs, stack: Stack) -> Iterator[Api]:
    wait_for(lambda: len(sessions(stack)) == 4)
    yield api_as("alice")
    for name in WORKERS:
        if not stack[name].is_running:
            stack[name].start()
            stack[name].wait_until_ready()


def sessions(stack: Stack) -> list[tuple[Any, ...]]:
    """The providers' sessions, identified by address and opening time."""
    return sorted(
        (provider, session["client"], session["peer"], session["opened_at"])
        for provider in ("northgate", "tidewall")
        for session in control(stack, provider, "/state")["sessions"]
    )


def reaches_northgate(stack: Stack, alice: Api) -> None:
    prefix = f"203.0.113.{next(numbers)}/32"
    request = submit(alice, prefix)
    wait_for(lambda: believed(stack, "northgate", prefix), within_s=REACHES_PROVIDER_WITHIN_S)
    alice.post(f"{REQUESTS}/{request['id']}/terminate")


def answering(stack: Stack) -> set[str]:
    """The workers that answer through the broker."""
    with Celery(broker=stack.redis_url) as app, suppress(OperationalError, RedisError):
        replies: list[dict[str, Any]] = app.control.ping(timeout=1) or []
        return {name.partition("@")[0] for reply in replies for name in reply}
    return set()


def drills_followed(stack: Stack) -> int:
    """How often the worker ran the task that beat sends every two seconds."""
    with Celery(broker=stack.redis_url) as app:
        totals = [
            stats["total"] for stats in (app.control.inspect(timeout=1).stats() or {}).values()
        ]
    return sum(total.get("portal.standby.tasks.follow", 0) for total in totals)


@every_fault
def test_a_redis_fault_stops_no_worker_and_no_session(
    stack: Stack, alice: Api, fault: Fault
) -> None:
    before = sessions(stack)
    pids = {name: stack[name].pid for name in WORKERS}

    with fault(stack):
        reaches_northgate(stack, alice)

    wait_for(lambda: answering(stack) == {"signal-1", "worker", "notices"}, within_s=BACK_WITHIN_S)
    followed = drills_followed(stack)
    wait_for(lambda: drills_followed(stack) > followed, within_s=BACK_WITHIN_S)
    reaches_northgate(stack, alice)
    assert {name: stack[name].pid for name in WORKERS if stack[name].is_running} == pids
    assert sessions(stack) == before


@some_faults
def test_workers_stop_start_and_work_during_a_redis_fault(
    stack: Stack, alice: Api, fault: Fault
) -> None:
    workers = [stack[name] for name in ("signal-1", "worker", "notices", "beat")]
    with fault(stack):
        for worker in workers:
            worker.ask_to_stop()
        wait_until_ended(workers)
        assert {worker.exit_code for worker in workers} == {0}
        assert sessions(stack) == [], "they closed their sessions"

        for worker in workers:
            worker.start()
        wait_for(lambda: len(sessions(stack)) == 4)
        reaches_northgate(stack, alice)
        before = sessions(stack)

    wait_for(lambda: answering(stack) == {"signal-1", "worker", "notices"}, within_s=BACK_WITHIN_S)
    assert all(stack[name].is_running for name in WORKERS)
    assert sessions(stack) == before
