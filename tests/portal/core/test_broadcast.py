from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import ConnectionError as RedisConnectionError

from portal.core import broadcast


def event(seq: int) -> broadcast.EventFrame:
    return broadcast.EventFrame(
        seq=seq,
        at="2026-11-28T18:10:05Z",
        type="request.asked",
        request=None,
        mitigation=None,
        data={},
    )


class Layer:
    """A channel layer that first fails as configured, then works."""

    def __init__(self, *, failures: int = 0, hangs: bool = False) -> None:
        self.failures = failures
        self.hangs = hangs
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise RedisConnectionError("stale connection")
        self.sent.append((group, message))


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    own = Layer()
    monkeypatch.setattr(broadcast, "get_channel_layer", lambda: own)
    return own


@pytest.mark.django_db(transaction=True)
def test_an_event_is_sent_to_its_organization_after_the_commit(layer: Layer) -> None:
    organization_id = uuid4()

    with transaction.atomic():
        broadcast.broadcast_on_commit(organization_id, event(1))
        assert layer.sent == []

    message = {"type": "event", "organization": str(organization_id), "event": event(1)}
    assert layer.sent == [(f"organization.{organization_id.hex}", message)]


@pytest.mark.django_db(transaction=True)
def test_events_that_are_committed_together_are_one_message(layer: Layer) -> None:
    organization_id = uuid4()

    with transaction.atomic():
        broadcast.broadcast_on_commit(organization_id, event(1), event(2), event(3))

    [(_, message)] = layer.sent
    assert message["event"] == event(3)
    assert list(message["earlier"]) == [event(1), event(2)]


@pytest.mark.django_db(transaction=True)
def test_events_of_several_organizations_that_are_committed_together_are_one_message(
    layer: Layer,
) -> None:
    one, other = uuid4(), uuid4()

    with transaction.atomic():
        broadcast.broadcast_many_on_commit({one: [event(1), event(2)], other: [event(7)]})
        broadcast.broadcast_many_on_commit({other: [event(8)]})
        broadcast.broadcast_many_on_commit({})

    [(group, message), (alone, _)] = layer.sent
    assert (group, alone) == (broadcast.EVENT_READERS, broadcast.organization_group(other))
    assert [
        (of["organization"], [*(one["seq"] for one in of.get("earlier", ())), of["event"]["seq"]])
        for of in message["messages"]
    ] == [(str(one), [1, 2]), (str(other), [7])]


@pytest.mark.django_db(transaction=True)
def test_signal_workers_are_woken_after_the_commit(layer: Layer) -> None:
    subscription_id = uuid4()

    with transaction.atomic():
        broadcast.wake_on_commit(subscription_id)
        assert layer.sent == []

    wake_up = {"type": "wake.up", "subscription": str(subscription_id)}
    assert layer.sent == [(broadcast.SIGNAL_WORKERS, wake_up)]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_after_a_rollback(layer: Layer) -> None:
    with transaction.atomic():
        broadcast.wake_on_commit(uuid4())
        broadcast.broadcast_on_commit(uuid4(), event(1))
        transaction.set_rollback(True)

    assert layer.sent == []


@pytest.mark.django_db(transaction=True)
def test_a_stale_connection_is_retried_once(layer: Layer) -> None:
    layer.failures = 1

    broadcast.broadcast_on_commit(uuid4(), event(1))

    assert len(layer.sent) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", [{"failures": 9}, {"hangs": True}])
def test_a_failing_channel_layer_does_not_fail_a_committed_request(
    layer: Layer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    trouble: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setattr(broadcast, "SEND_TIMEOUT_S", 0.05)
    for name, value in trouble.items():
        setattr(layer, name, value)

    with caplog.at_level(logging.WARNING):
        broadcast.broadcast_on_commit(uuid4(), event(1))

    assert "broadcast to " in caplog.text
    assert layer.sent == []


@pytest.mark.django_db(transaction=True)
def test_a_hanging_channel_layer_is_not_used_during_the_cool_down(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "SEND_TIMEOUT_S", 0.05)
    layer.hangs = True
    broadcast.broadcast_on_commit(uuid4(), event(1))
    layer.hangs = False

    broadcast.broadcast_on_commit(uuid4(), event(2))
    assert layer.sent == []

    broadcast.layer_cooldown.stop()
    broadcast.broadcast_on_commit(uuid4(), event(3))
    assert len(layer.sent) == 1


@pytest.fixture
def own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread, as in the signal worker; the process sends from it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    broadcast.broadcast_from(loop)
    yield loop
    broadcast.broadcast_from(None)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def _sent_so_far(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the loop has processed its queue."""

    async def all_others() -> None:
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    asyncio.run_coroutine_threadsafe(all_others(), loop).result(5)


@pytest.mark.django_db(transaction=True)
def test_a_process_with_its_own_loop_sends_from_that_loop_in_order(
    layer: Layer, own_loop: asyncio.AbstractEventLoop
) -> None:
    for seq in range(20):
        broadcast.broadcast_on_commit(uuid4(), event(seq))

    _sent_so_far(own_loop)

    assert [message["event"]["seq"] for _, message in layer.sent] == list(range(20))


@pytest.mark.django_db(transaction=True)
def test_messages_queued_for_a_slow_layer_are_bounded(
    layer: Layer, own_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(broadcast, "MAX_WAITING", 1)
    monkeypatch.setattr(broadcast, "SEND_TIMEOUT_S", 0.2)
    layer.hangs = True

    broadcast.broadcast_on_commit(uuid4(), event(1))
    broadcast.broadcast_on_commit(uuid4(), event(2))

    assert "1 messages are already waiting" in caplog.text
    _sent_so_far(own_loop)


async def test_the_channel_layer_accepts_the_group_names() -> None:
    layer = get_channel_layer()
    assert layer

    assert layer.require_valid_group_name(broadcast.organization_group(uuid4()))
    assert layer.require_valid_group_name(broadcast.user_group(uuid4()))
