"""Reads of the book: one for all sessions at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from portal.core.database import is_away
from portal.mitigations import queries
from portal.mitigations.models import Mitigation
from portal.mitigations.row_version import RowVersion
from portal.mitigations.states import Status
from portal.signaling.book import COMPARE_EVERY_S, READ_WITHIN_S, Book
from portal.signaling.database_threads import DatabaseThreads
from tests.portal.signaling.virtual_time import pass_time, virtual_time


class Database:
    """Answers each read once it may."""

    def __init__(self) -> None:
        self.rows: list[Mitigation] = []
        self.reads: list[tuple[set[UUID], set[UUID]]] = []
        self.compared: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_away = False

    async def run_first(
        self, _call: Callable[..., Any], everything: Collection[UUID], named: Collection[UUID]
    ) -> list[Mitigation]:
        self.reads.append((set(everything), set(named)))
        found = [row for row in self.rows if row.subscription_id in everything or row.pk in named]
        await self.may_answer.wait()
        if self.is_away:
            raise OperationalError
        return found

    async def run(self, call: Callable[..., Any], ids: Collection[UUID]) -> list[RowVersion]:
        self.compared.append(call.__name__)
        is_all = call is queries.live_versions
        return [
            RowVersion(row.pk, row.subscription_id, row.version, row.expires_at)
            for row in self.rows
            if row.subscription_id in ids and (is_all or row.status == Status.PENDING)
        ]

    def add(self, subscription_id: UUID, status: Status = Status.PENDING) -> Mitigation:
        row = Mitigation(
            pk=uuid4(), mid=len(self.rows), subscription_id=subscription_id, status=status,
            asked_at=timezone.now(),
        )  # fmt: skip
        self.rows.append(row)
        return row


def book_of(database: Database) -> Book:
    return Book(cast(DatabaseThreads, database))


@virtual_time
async def test_sessions_that_are_woken_together_share_a_read() -> None:
    database = Database()
    book = book_of(database)
    many = [book.open(uuid4()) for _ in range(20)]
    rows = [database.add(owned.subscription_id) for owned in many]
    await asyncio.gather(*(book.read(owned) for owned in many))
    assert [len(everything) for everything, _ in database.reads] == [20]

    for row in rows:
        book.changed(row.subscription_id, row.pk)
    await asyncio.gather(*(book.read(owned) for owned in many))

    assert database.reads[1:] == [(set(), {row.pk for row in rows})]
    assert all(owned.rows for owned in many)


@virtual_time
async def test_a_row_named_while_a_read_runs_is_read_by_the_next_one() -> None:
    database = Database()
    book = book_of(database)
    owned = book.open(uuid4())
    database.may_answer.clear()
    first = asyncio.create_task(book.read(owned))
    await pass_time(0.01)

    row = database.add(owned.subscription_id)
    book.changed(owned.subscription_id, row.pk)
    second = asyncio.create_task(book.read(owned))
    await pass_time(0.01)
    assert not owned.rows
    database.may_answer.set()
    await asyncio.gather(first, second)

    assert owned.rows == {row.pk: row}
    assert len(database.reads) == 2


@virtual_time
async def test_a_session_waits_for_the_read_of_its_row_that_another_began() -> None:
    database = Database()
    book = book_of(database)
    one, other = book.open(uuid4()), book.open(uuid4())
    row = database.add(one.subscription_id)
    database.may_answer.clear()
    asking = asyncio.create_task(book.read(other))
    await pass_time(0.01)

    waiting = asyncio.create_task(book.read(one))
    await pass_time(0.01)
    assert not waiting.done()
    database.may_answer.set()
    await asyncio.gather(asking, waiting)

    assert one.rows == {row.pk: row}
    assert len(database.reads) == 1


@virtual_time
async def test_a_failed_read_fails_for_all_and_is_repeated() -> None:
    database = Database()
    book = book_of(database)
    many = [book.open(uuid4()) for _ in range(3)]
    row = database.add(many[0].subscription_id)
    database.is_away = True

    failed = await asyncio.gather(*(book.read(owned) for owned in many), return_exceptions=True)
    assert [type(error) for error in failed] == [OperationalError] * 3
    database.is_away = False
    await book.read(many[0])

    assert many[0].rows == {row.pk: row}
    assert all(owned.is_current for owned in many)


@virtual_time
async def test_a_read_that_hangs_fails_in_time_and_is_repeated() -> None:
    database = Database()
    book = book_of(database)
    many = [book.open(uuid4()) for _ in range(3)]
    row = database.add(many[0].subscription_id)
    database.may_answer.clear()

    reads = [asyncio.create_task(book.read(owned)) for owned in many]
    await pass_time(READ_WITHIN_S - 1)
    assert not any(one.done() for one in reads)
    await pass_time(2)
    assert all(is_away(one.exception()) for one in reads)
    database.may_answer.set()
    await book.read(many[0])

    assert many[0].rows == {row.pk: row}
    assert all(owned.is_current for owned in many)


@virtual_time
async def test_a_cancelled_session_does_not_cancel_the_read_for_the_others() -> None:
    database = Database()
    book = book_of(database)
    many = [book.open(uuid4()) for _ in range(2)]
    row = database.add(many[1].subscription_id)
    database.may_answer.clear()
    ending, other = (asyncio.create_task(book.read(owned)) for owned in many)
    await pass_time(0.01)

    ending.cancel()
    await pass_time(0.01)
    database.may_answer.set()
    await other

    assert many[1].rows == {row.pk: row}


@virtual_time
async def test_a_lost_wake_up_about_a_request_is_made_up_for_by_the_sweep() -> None:
    database = Database()
    book = book_of(database)
    owned, other = book.open(uuid4()), book.open(uuid4())
    await book.read(owned)
    await book.find_outdated()
    database.add(owned.subscription_id)

    assert await book.find_outdated() == {owned.subscription_id}
    await book.read(owned)
    assert await book.find_outdated() == set()
    assert other.is_current


@virtual_time
async def test_any_other_change_is_noticed_by_the_comparison_of_all_rows() -> None:
    database = Database()
    book = book_of(database)
    owned = book.open(uuid4())
    row = database.add(owned.subscription_id, Status.MITIGATING)
    await book.read(owned)
    assert await book.find_outdated() == set()
    database.rows[:] = [changed := Mitigation(**{**_columns(row), "version": 1})]

    assert await book.find_outdated() == set()
    await pass_time(COMPARE_EVERY_S)
    assert await book.find_outdated() == {owned.subscription_id}
    await book.read(owned)

    assert owned.rows[row.pk].version == changed.version
    assert database.compared == ["live_versions", "unsent_versions", "live_versions"]


def _columns(row: Mitigation) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


@virtual_time
async def test_a_released_subscription_is_not_read_until_it_is_claimed_again() -> None:
    database = Database()
    book = book_of(database)
    before = book.open(uuid4())
    row = database.add(before.subscription_id)
    await book.read(before)
    book.close(before)
    book.changed(row.subscription_id, row.pk)
    assert before.is_current

    again = book.open(row.subscription_id)
    book.close(before)
    await book.read(again)

    assert again.rows == {row.pk: row}
    assert database.reads[-1] == ({row.subscription_id}, set())


@pytest.mark.parametrize("named", [None, uuid4()])
def test_a_wake_up_for_a_subscription_of_another_worker_is_ignored(named: UUID | None) -> None:
    book_of(cast(Database, None)).changed(uuid4(), named)
