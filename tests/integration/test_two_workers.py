"""Two signal workers share the subscriptions, and each takes over from the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.integration.stack import Api, NewStack, Stack, control, wait_for
from tests.integration.test_main_job import REQUESTS, believed, shown, submit


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    """With two workers from the start."""
    with new_stack("two", signal_workers=2) as stack:
        yield stack


def sessions(stack: Stack) -> int:
    """Live sessions at both providers."""
    return sum(
        len(control(stack, provider, "/state")["sessions"])
        for provider in ("northgate", "tidewall")
    )


def test_every_request_reaches_the_worker_that_owns_the_subscription(
    stack: Stack, api_as: Callable[[str], Api]
) -> None:
    alice = api_as("alice")
    wait_for(lambda: sessions(stack) == 4)

    asked = [submit(alice, f"203.0.113.{number}/32") for number in range(50, 58)]

    for request in asked:
        (prefix,) = request["targets"]["prefixes"]
        wait_for(partial(believed, stack, "northgate", prefix))
        alice.post(f"{REQUESTS}/{request['id']}/terminate")


def test_the_other_worker_takes_over_with_one_session_per_subscription(
    stack: Stack, api_as: Callable[[str], Api]
) -> None:
    alice, prefix = api_as("alice"), "203.0.113.60/32"
    request = submit(alice, prefix)
    wait_for(lambda: shown(alice, request["id"])["status"] in ("in_progress", "mitigating"))

    stack["signal-1"].kill()
    ending = alice.post(f"{REQUESTS}/{request['id']}/terminate")
    assert ending["status"] == "terminating"

    wait_for(lambda: shown(alice, request["id"])["status"] == "terminated")
    wait_for(lambda: not [one for one in believed(stack, "northgate", prefix) if one["status"] < 5])
