from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import transaction
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisConnectionError

from portal.accounts.models import User
from portal.core.broadcast import EventFrame, organization_group
from portal.events import queries
from portal.events.log import (
    ReportedEvent,
    append_counted,
    append_event,
    lock_free_logs,
)
from portal.events.models import Event, EventType
from portal.organizations.models import Organization
from portal.realtime import consumers, log_reader, outbox
from portal.realtime.frames import HEARTBEAT
from portal.realtime.organization_feed import (
    GAP_WAIT_S,
    LATE_S,
    MAX_AFTER_GAP,
    OrganizationFeed,
)
from tests.portal.realtime.conftest import Log, OpenSocket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


async def test_saved_events_then_live_events_come_without_gap_or_repeat(
    bob: User, acme: Organization, open_socket: OpenSocket, log: Log
) -> None:
    for _ in range(3):
        await log(acme)
    socket = await open_socket(bob, after=1)
    for _ in range(3):
        await log(acme)

    assert await socket.seqs(5) == [2, 3, 4, 5, 6]
    assert await socket.says_nothing_new()


async def test_events_during_a_replay_come_once_and_in_order(
    bob: User,
    acme: Organization,
    open_socket: OpenSocket,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "REPLAY_BATCH", 2)
    for _ in range(20):
        await log(acme)
    socket = await open_socket(bob)

    live = asyncio.create_task(_log_many(log, acme, 20))
    seqs = await socket.seqs(40)
    await live

    assert seqs == list(range(1, 41))
    assert await socket.says_nothing_new()


async def _log_many(log: Log, organization: Organization, count: int) -> None:
    for _ in range(count):
        await log(organization)


async def test_a_lost_broadcast_is_read_from_the_table(
    bob: User,
    acme: Organization,
    open_socket: OpenSocket,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    socket = await open_socket(bob)
    await log(acme)
    assert await socket.seqs(1) == [1]
    await _append_silently(acme)
    await log(acme)

    assert await socket.seqs(2) == [2, 3]


async def test_a_lost_last_broadcast_is_found_by_the_periodic_check(
    bob: User, acme: Organization, open_socket: OpenSocket
) -> None:
    socket = await open_socket(bob)
    await _append_silently(acme)

    assert await socket.seqs(1) == [1]


async def _append_silently(organization: Organization) -> None:
    def append() -> None:
        seq = queries.last_seq(organization.pk) + 1
        append_event(organization_id=organization.pk, type=EventType.SESSION_UP, at=timezone.now())
        assert Event.objects.filter(organization_id=organization.pk, seq=seq).exists()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portal.events.log.broadcast_on_commit", lambda *_: None)
        await database_sync_to_async(append)()


async def test_a_repeated_broadcast_is_sent_once(
    bob: User, acme: Organization, open_socket: OpenSocket, log: Log
) -> None:
    socket = await open_socket(bob)
    await log(acme)
    assert await socket.seqs(1) == [1]
    event = (await database_sync_to_async(queries.events_after)(acme.pk, 0))[0]

    layer = get_channel_layer()
    assert layer
    await layer.group_send(
        organization_group(acme.pk),
        {"type": "event", "organization": str(acme.pk), "event": event.as_message()},
    )

    assert await socket.says_nothing_new()


async def test_a_slow_reader_catches_up_from_the_table(
    bob: User,
    acme: Organization,
    open_socket: OpenSocket,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "PENDING_EVENTS", 3)
    socket = await open_socket(bob)

    await _log_many(log, acme, 30)

    assert await socket.seqs(30) == list(range(1, 31))


async def test_only_events_of_the_organization_arrive(
    charlie: User, acme: Organization, globex: Organization, open_socket: OpenSocket, log: Log
) -> None:
    socket = await open_socket(charlie, "globex")

    await log(acme)
    await log(globex)

    message = await socket.receive_event()
    own = (await database_sync_to_async(queries.events_after)(globex.pk, 0))[0]
    assert message == own.as_message()
    assert await socket.says_nothing_new()


async def test_a_number_beyond_the_log_does_not_silence_the_socket(
    bob: User, acme: Organization, open_socket: OpenSocket, log: Log
) -> None:
    socket = await open_socket(bob, after=500)

    await log(acme)

    assert await socket.seqs(1) == [1]


@pytest.mark.parametrize("call", ["new_channel", "group_add"])
async def test_live_updates_come_from_the_table_until_the_channel_layer_is_back(
    bob: User, acme: Organization, open_socket: OpenSocket, log: Log, call: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def unreachable(*_: Any) -> None:
        raise RedisConnectionError("no Redis")

    layer: Any = get_channel_layer()
    with monkeypatch.context() as away:
        away.setattr(layer, call, unreachable)
        socket = await open_socket(bob)

        await log(acme)

        assert await socket.seqs(1) == [1]
    while organization_group(acme.pk) not in layer.groups:
        assert await socket.says_nothing_new()
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    await log(acme)
    assert await socket.seqs(1) == [2]


async def test_a_counter_report_fits_400_bytes(
    bob: User, acme: Organization, open_socket: OpenSocket
) -> None:
    largest = 2**63 - 1

    def report() -> Event:
        return append_event(
            organization_id=acme.pk,
            type=EventType.MITIGATION_COUNTERS,
            at=timezone.now(),
            data={
                "bytes_dropped": largest,
                "pkts_dropped": largest,
                "bps_dropped": largest,
                "pps_dropped": largest,
                "held_until": "2026-10-06T03:12:14.123456Z",
            },
        )

    socket = await open_socket(bob)
    await database_sync_to_async(report)()

    text = await socket.receive_text()
    while json.loads(text)["type"] == HEARTBEAT:
        text = await socket.receive_text()

    ids = 2 * len('"00000000-0000-4000-8000-000000000000"')
    assert json.loads(text)["data"]["bytes_dropped"] == largest
    assert len(text.encode()) + ids <= 400


async def test_events_that_were_committed_together_come_once_and_in_order(
    bob: User,
    acme: Organization,
    open_socket: OpenSocket,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    socket = await open_socket(bob)
    await log(acme)
    assert await socket.seqs(1) == [1]

    await database_sync_to_async(_append_together)(acme, 3)
    await log(acme)
    await database_sync_to_async(_append_together)(acme, 2)

    assert await socket.seqs(6) == [2, 3, 4, 5, 6, 7]


def _append_together(organization: Organization, count: int) -> None:
    with transaction.atomic():
        counted = lock_free_logs({organization.pk: count})
        event = ReportedEvent(
            organization_id=organization.pk,
            request_id=uuid4(),
            mitigation_id=uuid4(),
            type=EventType.MITIGATION_STATUS,
            at=timezone.now(),
            data={},
        )
        append_counted([event] * count, counted)


def _frames(*numbers: int) -> list[EventFrame]:
    return [
        EventFrame(seq=seq, at="", type="session.up", request=None, mitigation=None, data={})
        for seq in numbers
    ]


@pytest.mark.parametrize(("heard", "seq"), [((6, 7), 7), ((4, 5, 6), 6), ((4, 5), 5), ((7, 8), 5)])
async def test_a_broadcast_of_several_events_counts_from_the_first_new_one(
    heard: tuple[int, ...], seq: int
) -> None:
    feed = OrganizationFeed(uuid4(), 5, on_behind=lambda: None)

    feed.hear(_frames(*heard))

    assert feed.seq == seq
    feed.stop()


async def test_a_broadcast_that_overtook_another_one_waits_for_it() -> None:
    called = asyncio.Event()
    feed = OrganizationFeed(uuid4(), 5, on_behind=called.set)

    feed.hear(_frames(9))
    feed.hear(_frames(7))
    assert feed.seq == 5
    feed.hear(_frames(6))
    assert feed.seq == 7
    feed.hear(_frames(8))

    assert feed.seq == 9
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(called.wait(), 2 * GAP_WAIT_S)


async def test_a_gap_is_read_from_the_table_after_a_moment() -> None:
    called = asyncio.Event()
    feed = OrganizationFeed(uuid4(), 5, on_behind=called.set)

    feed.hear(_frames(7))
    assert not feed.is_behind
    await called.wait()

    assert feed.is_behind
    feed.hear(_frames(6))
    assert feed.seq == 5


async def test_a_long_run_after_a_gap_is_read_from_the_table_at_once() -> None:
    feed = OrganizationFeed(uuid4(), 5, on_behind=lambda: None)

    feed.hear(_frames(*range(7, 7 + MAX_AFTER_GAP)))
    assert not feed.is_behind
    feed.hear(_frames(7 + MAX_AFTER_GAP))

    assert feed.is_behind


async def test_a_number_that_the_look_finds_waits_for_its_broadcast() -> None:
    called = asyncio.Event()
    feed = OrganizationFeed(uuid4(), 5, on_behind=called.set)

    feed.expect(6)
    assert not called.is_set()
    feed.hear(_frames(6))
    assert feed.seq == 6
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(called.wait(), 2 * LATE_S)

    feed.expect(7)
    await called.wait()
    assert feed.is_behind
