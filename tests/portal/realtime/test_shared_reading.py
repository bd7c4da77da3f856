"""One process reads the log and checks access for all its sockets together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.db import connection
from django.utils import timezone

from portal.accounts.models import User
from portal.core.broadcast import (
    EventFrame,
    broadcast_many_on_commit,
    organization_group,
    user_group,
)
from portal.events.log import append_event
from portal.events.models import EventCounter, EventType
from portal.organizations.models import Membership, Organization, Role
from portal.realtime import log_reader, organization_feed
from portal.realtime.access import admit_all
from portal.realtime.frames import EncodedEvent
from portal.realtime.open_socket import CLOSE_TRY_AGAIN
from tests.portal.realtime.conftest import Log, TokenOf
from tests.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)


@asynccontextmanager
async def counted_statements() -> AsyncIterator[list[str]]:
    """The statements of the thread that serves sockets."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    await database_sync_to_async(lambda: connection.execute_wrappers.append(note))()
    yield statements
    await database_sync_to_async(lambda: connection.execute_wrappers.remove(note))()


async def open_sockets(*asked: tuple[str, str]) -> list[Socket]:
    """One per slug and token, each idle and past its first heartbeat."""
    sockets = [Socket(slug, token=token) for slug, token in asked]
    for socket in sockets:
        assert await socket.connect() == 0
    for socket in sockets:
        assert await socket.says_nothing_new()
    return sockets


@pytest.mark.parametrize("count", [1, 8])
async def test_the_statements_of_idle_sockets_do_not_depend_on_their_number(
    bob: User, charlie: User, acme: Organization, globex: Organization, token_of: TokenOf,
    monkeypatch: pytest.MonkeyPatch, count: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    issue = database_sync_to_async(token_of)
    ours, theirs = await issue(bob), await issue(charlie)
    sockets = await open_sockets(*[("acme", ours), ("globex", theirs)] * count)

    async with counted_statements() as statements:
        for _ in range(3):
            for socket in sockets:
                assert await socket.says_nothing_new()

    # One look serves all; one more may be on its way at either end.
    assert {one.split(" FROM ")[1].split()[0] for one in statements} == {
        '"mitigations_eventcounter"'
    }
    assert 2 <= len(statements) <= 4
    for socket in sockets:
        await socket.disconnect()


@pytest.mark.parametrize("count", [1, 8])
async def test_the_statements_of_an_access_check_do_not_depend_on_the_number_of_sockets(
    bob: User, alice: User, acme: Organization, token_of: TokenOf,
    monkeypatch: pytest.MonkeyPatch, count: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 0.2)
    checked = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def noted(asked: Any) -> Any:
        loop.call_soon_threadsafe(checked.release)
        return admit_all(asked)

    monkeypatch.setattr(log_reader, "admit_all", noted)
    issue = database_sync_to_async(token_of)
    tokens = [await issue(bob), await issue(alice)]
    sockets = [Socket(token=token) for token in tokens * count]
    for socket in sockets:
        assert await socket.connect() == 0

    async with counted_statements() as statements:
        while not checked.locked():
            await checked.acquire()
        statements.clear()
        for _ in range(3):
            await checked.acquire()

    # One reads the tokens with their persons, one the memberships.
    assert 2 <= len(statements) <= 2 * 4
    for socket in sockets:
        await socket.disconnect()


async def test_a_gap_is_read_once_for_all_sockets_of_an_organization_and_each_event_encoded_once(
    bob: User, acme: Organization, token_of: TokenOf, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    token = await database_sync_to_async(token_of)(bob)
    sockets = await open_sockets(*[("acme", token)] * 4)
    encoded = []

    def noted(event: EventFrame) -> EncodedEvent:
        encoded.append(event["seq"])
        return EncodedEvent(event)

    monkeypatch.setattr(organization_feed, "EncodedEvent", noted)

    async with counted_statements() as statements:
        with monkeypatch.context() as patch:
            patch.setattr("portal.events.log.broadcast_on_commit", lambda *_: None)
            await log(acme)
        await log(acme)
        for socket in sockets:
            assert await socket.seqs(2) == [1, 2]

    reads = [one for one in statements if "SELECT" in one and '"mitigations_event"' in one]
    assert len(reads) == 1
    assert encoded == [1, 2]
    for socket in sockets:
        await socket.disconnect()


async def test_each_socket_gets_the_events_of_its_own_organization_from_a_message_with_several(
    bob: User, charlie: User, acme: Organization, globex: Organization, token_of: TokenOf, log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    tokens = [await database_sync_to_async(token_of)(one) for one in (bob, charlie)]
    ours, theirs = Socket("acme", token=tokens[0]), Socket("globex", token=tokens[1])
    for socket, organization in ((ours, acme), (theirs, globex)):
        assert await socket.connect() == 0
        await log(organization)
        assert await socket.seqs(1) == [1]

    def frame(seq: int) -> EventFrame:
        at = timezone.now().isoformat()
        return EventFrame(seq=seq, at=at, type="session.up", request=None, mitigation=None, data={})

    for events in (
        {acme.pk: [frame(2), frame(3)], globex.pk: [frame(2)]},
        {globex.pk: [frame(3)], acme.pk: [frame(4)]},
    ):
        await database_sync_to_async(broadcast_many_on_commit)(events)

    assert await ours.seqs(3) == [2, 3, 4]
    assert await theirs.seqs(2) == [2, 3]
    for socket in (ours, theirs):
        await socket.disconnect()


class WaitingLayer(InMemoryChannelLayer):
    """It waits as the client of Redis does, which loses a cancellation on Python 3.11."""

    async def group_discard(self, group: str, channel: str) -> None:
        await asyncio.wait_for(super().group_discard(group, channel), 1)


async def test_nothing_of_the_reader_stays_after_the_last_socket_even_if_a_cancellation_is_lost(
    bob: User, acme: Organization, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = WaitingLayer()
    monkeypatch.setitem(channel_layers.backends, "default", layer)
    before = asyncio.all_tasks()
    (socket,) = await open_sockets(("acme", await database_sync_to_async(token_of)(bob)))
    assert layer.groups

    await socket.disconnect()

    assert asyncio.all_tasks() == before
    assert not layer.groups


async def test_messages_of_the_previous_release_take_effect_at_once(
    bob: User, acme: Organization, token_of: TokenOf, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await database_sync_to_async(token_of)(bob)
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    socket = Socket(token=token)
    assert await socket.connect() == 0
    await log(acme)
    assert await socket.seqs(1) == [1]
    layer = get_channel_layer()
    assert layer

    with monkeypatch.context() as patch:
        patch.setattr("portal.events.log.broadcast_on_commit", lambda *_: None)
        await log(acme)
    await layer.group_send(organization_group(acme.pk), {"type": "event", "event": {"seq": 2}})
    assert await socket.seqs(1) == [2]

    await database_sync_to_async(Membership.objects.filter(user=bob).delete)()
    await layer.group_send(user_group(bob.pk), {"type": "access.changed"})
    assert await socket.close_code() == 4403


async def test_a_socket_closes_when_its_address_names_another_organization(
    bob: User, acme: Organization, globex: Organization, token_of: TokenOf
) -> None:
    token = await database_sync_to_async(token_of)(bob)
    (socket,) = await open_sockets(("acme", token))

    def swap() -> None:
        Membership.objects.create(organization=globex, user=bob, role=Role.VIEWER)
        Organization.objects.filter(pk=acme.pk).update(slug="acme-before")
        Organization.objects.filter(pk=globex.pk).update(slug="acme")

    await database_sync_to_async(swap)()

    assert await socket.close_code() == 4403


async def test_a_socket_starts_again_after_the_numbers_went_back(
    bob: User, acme: Organization, token_of: TokenOf, log: Log
) -> None:
    token = await database_sync_to_async(token_of)(bob)
    for _ in range(3):
        await log(acme)
    socket = Socket(token=token, after=3)
    assert await socket.connect() == 0

    await database_sync_to_async(EventCounter.objects.filter(pk=acme.pk).update)(last_seq=1)

    assert await socket.close_code() == CLOSE_TRY_AGAIN


async def test_many_reports_reach_a_socket_as_the_newest_numbers_of_each_moment(
    bob: User, acme: Organization, token_of: TokenOf, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    (socket,) = await open_sockets(("acme", await database_sync_to_async(token_of)(bob)))

    def report(count: int) -> None:
        for number in range(count):
            append_event(
                organization_id=acme.pk,
                type=EventType.MITIGATION_COUNTERS,
                at=timezone.now(),
                data={"bps_dropped": number},
            )

    await database_sync_to_async(report)(10)
    await log(acme)

    frames = [await socket.receive_event() for _ in range(2)]
    while frames[-1]["type"] == EventType.MITIGATION_COUNTERS:
        frames.append(await socket.receive_event())
    last = 0
    for frame in frames:
        assert frame["seq"] == last + 1 + frame.get("thinned", 0)
        last = frame["seq"]
    assert last == 11
    assert len(frames) <= 3
    await socket.disconnect()
