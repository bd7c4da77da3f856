"""From a session's tap to the rows, with a real session, a real store and a database that fails."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError

from dots_client import Server, connect
from portal.mitigations.models import Mitigation
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal import wire_journal
from portal.signaling.journal.wire_journal import WireJournal
from portal.wire.models import Direction, WireMessage
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, REPEATING, SCOPE, Provider, serving, silence
from tests.portal.signaling.test_wire_recorder import put

pytestmark = pytest.mark.django_db(transaction=True)


async def rows() -> list[WireMessage]:
    return await database_sync_to_async(lambda: list(WireMessage.objects.order_by("at", "id")))()


async def test_a_real_session_is_recorded_completely(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    authority, provider, journal = Authority(), Provider(), WireJournal(threads)
    recorder = journal.recorder(mitigation.subscription_id)
    provider.script.append(silence)
    credentials = authority.client()
    async with (
        serving(authority, provider) as server,
        connect(
            Server("provider.example", "127.0.0.1", server.port),
            credentials,
            cuid=CUID,
            settings=REPEATING,
            on_wire=recorder.tap,
        ) as client,
    ):
        await client.request(mitigation.mid, SCOPE)
        await client.withdraw(mitigation.mid)
    while await journal.flush():
        continue

    found = await rows()
    # A busy machine may send more copies of a request.
    assert list(dict.fromkeys((one.direction, one.code, one.method) for one in found)) == [
        ("sent", "0.03", "PUT"),
        ("received", "2.01", "PUT"),
        ("sent", "0.04", "DELETE"),
        ("received", "2.02", "DELETE"),
    ]
    assert [one.copy for one in found[:2]] == [1, 2]
    assert {one.mitigation_id for one in found} == {mitigation.pk}
    assert found[0].run == found[1].run
    scope = found[0].decoded["ietf-dots-signal-channel:mitigation-scope"]["scope"][0]
    assert scope["target-prefix"] == ["192.0.2.0/24"]
    assert found[-1].decoded == "Deleted"
    assert found[0].path == f"/.well-known/dots/mitigate/cuid={CUID}/mid={mitigation.mid}"
    kept = b"".join(bytes(one.octets) for one in found)
    assert credentials.private_key not in kept
    assert b"BEGIN" not in kept


async def test_while_the_database_is_away_nothing_is_lost_or_written_twice(
    mitigation: Mitigation, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, write, failures = (
        WireJournal(threads),
        wire_journal._write,
        iter([True, True, False, False]),
    )

    def away(entries: Any) -> dict[uuid.UUID, int]:
        if next(failures):
            raise OperationalError("away")
        return write(entries)

    monkeypatch.setattr(wire_journal, "_write", away)
    recorder = journal.recorder(mitigation.subscription_id)
    recorder.tap(put(at=1.0))
    assert await journal.flush() is False
    recorder.tap(put(at=2.0))
    assert await journal.flush() is False
    assert await rows() == []

    while await journal.flush():
        continue

    assert [one.at.timestamp() for one in await rows()] == [1.0, 2.0]


async def test_the_journal_shows_how_many_messages_were_dropped(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    journal = WireJournal(threads, max_waiting=2)
    recorder = journal.recorder(mitigation.subscription_id)
    for number in range(5):
        recorder.tap(put(at=1000.0 + number))

    await journal.flush()
    await journal.flush()

    gap = next(one for one in await rows() if one.direction == Direction.NOT_KEPT)
    assert (gap.count, gap.at.timestamp(), gap.mitigation_id) == (3, 1004.0, None)
    assert len(await rows()) == 3
    recorder.tap(put())
    recorder.tap(put())
    assert len(recorder.waiting) == 2


async def test_the_size_of_a_batch_is_limited(
    mitigation: Mitigation, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_journal, "MAX_BATCH", 2)
    journal = WireJournal(threads)
    for _ in range(3):
        journal.recorder(mitigation.subscription_id).tap(put())

    assert await journal.flush() is True
    assert len(await rows()) == 2
    assert await journal.flush() is False
    assert len(await rows()) == 3


async def test_closing_saves_the_last_messages(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    journal = WireJournal(threads)
    running = asyncio.create_task(journal.run())
    await asyncio.sleep(0)
    journal.recorder(mitigation.subscription_id).tap(put())

    await journal.close(running)

    assert running.done()
    assert len(await rows()) == 1


async def test_closing_does_not_wait_for_a_database_that_hangs(
    mitigation: Mitigation, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_journal, "LAST_FLUSH_S", 0.05)
    hangs = asyncio.Event()

    async def hang(_call: Callable[..., Any], *_args: Any) -> None:
        await hangs.wait()

    monkeypatch.setattr(threads, "run", hang)
    journal = WireJournal(threads)
    journal.recorder(mitigation.subscription_id).tap(put())
    running = asyncio.create_task(journal.run())

    await journal.close(running)
    await asyncio.wait({running})

    assert running.cancelled()


async def test_messages_that_can_never_be_saved_are_counted(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    journal = WireJournal(threads)
    recorder = journal.recorder(mitigation.subscription_id)
    for number in range(3):
        recorder.tap(put(at=1000.0 + number))
    journal._batch = journal._take()

    journal.drop_batch()
    await journal.flush()

    [gap] = await rows()
    assert (gap.direction, gap.count) == (Direction.NOT_KEPT, 3)
