"""A quiet socket sends heartbeats: otherwise a page with a frozen connection would show old values
as live.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.utils import timezone

from portal.accounts.models import User
from portal.core.broadcast import organization_group
from portal.events import queries
from portal.events.models import EventType
from portal.organizations.models import Organization
from portal.realtime import log_reader
from portal.realtime.frames import HEARTBEAT
from portal.realtime.open_socket import CLOSE_TRY_AGAIN
from tests.portal.realtime.conftest import Log, OpenSocket, TokenOf
from tests.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_quiet_socket_keeps_sending_heartbeats(
    bob: User, acme: Organization, open_socket: OpenSocket
) -> None:
    socket = await open_socket(bob)

    frames = [await socket.receive_frame() for _ in range(3)]

    assert [frame["type"] for frame in frames] == [HEARTBEAT] * 3
    said = [datetime.fromisoformat(frame["at"]) for frame in frames]
    assert said == sorted(said)
    assert timezone.now() - said[-1] < timedelta(seconds=5)


async def test_a_reader_that_knows_only_events_keeps_its_place(
    bob: User, acme: Organization, token_of: TokenOf, log: Log
) -> None:
    for _ in range(3):
        await log(acme)
    token = await database_sync_to_async(token_of)(bob)
    socket = Socket(token=token, after=1)
    await socket.connect()
    events = [await socket.receive_frame() for _ in range(2)]
    beat = await socket.receive_frame()
    await socket.disconnect()

    # Every key of an event, a number that was sent already, and a type that no event has.
    assert set(beat) == set(events[0])
    assert beat["type"] not in EventType.values
    assert beat["seq"] == events[-1]["seq"]

    # Continuing from the last frame of any type misses nothing.
    await log(acme)
    again = Socket(token=token, after=beat["seq"])
    await again.connect()
    assert await again.seqs(1) == [beat["seq"] + 1]
    await again.disconnect()


async def test_a_heartbeat_before_any_event_repeats_the_requested_number(
    bob: User, acme: Organization, token_of: TokenOf, log: Log
) -> None:
    for _ in range(3):
        await log(acme)
    token = await database_sync_to_async(token_of)(bob)

    # A number from before a restore: the reader learns the current one.
    for asked, expected in ((3, 3), (500, 3)):
        socket = Socket(token=token, after=asked)
        await socket.connect()
        frame = await socket.receive_frame()
        assert (frame["type"], frame["seq"]) == (HEARTBEAT, expected)
        await socket.disconnect()


async def test_old_broadcasts_do_not_delay_heartbeats(
    bob: User, acme: Organization, open_socket: OpenSocket, log: Log
) -> None:
    socket = await open_socket(bob)
    await log(acme)
    assert await socket.seqs(1) == [1]
    event = (await database_sync_to_async(queries.events_after)(acme.pk, 0))[0]
    repeat = {"type": "event", "organization": str(acme.pk), "event": event.as_message()}

    async def repeat_it() -> None:
        layer = get_channel_layer()
        assert layer
        while True:
            await layer.group_send(organization_group(acme.pk), repeat)
            await asyncio.sleep(log_reader.LOOK_AGAIN_S / 10)

    repeating = asyncio.create_task(repeat_it())
    try:
        assert await socket.says_nothing_new()
    finally:
        repeating.cancel()


async def test_no_heartbeat_is_sent_while_the_table_cannot_be_read(
    bob: User, acme: Organization, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()
    assert await socket.says_nothing_new()

    def hangs(*_: object, **__: object) -> None:
        raise TimeoutError("no database")

    monkeypatch.setattr("portal.events.queries.last_seqs", hangs)

    assert await socket.close_code() == CLOSE_TRY_AGAIN
