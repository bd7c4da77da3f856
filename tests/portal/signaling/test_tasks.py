from __future__ import annotations

from collections.abc import Iterator
from queue import Empty
from uuid import uuid4

import pytest
from kombu.simple import SimpleQueue

from portal.celery import app
from portal.signaling.tasks import MAX_RELAYS, reconcile

SUBSCRIPTION = str(uuid4())


@pytest.fixture
def queue() -> Iterator[SimpleQueue]:
    """What signal workers take their wake-ups from."""
    with app.connection() as connection, connection.SimpleQueue("signal") as queue:
        queue.clear()
        yield queue


def relayed(queue: SimpleQueue) -> tuple[object, ...] | None:
    try:
        message = queue.get(block=False)
    except Empty:
        return None
    message.ack()
    arguments, _, _ = message.payload
    return tuple(arguments)


def test_a_wake_up_for_a_session_of_another_worker_is_put_back(queue: SimpleQueue) -> None:
    assert reconcile(SUBSCRIPTION) == "held elsewhere"

    assert relayed(queue) == (SUBSCRIPTION, 1)


def test_a_wake_up_that_nobody_wants_is_not_passed_on_for_ever(queue: SimpleQueue) -> None:
    assert reconcile(SUBSCRIPTION, MAX_RELAYS) == "held elsewhere"

    assert relayed(queue) is None
