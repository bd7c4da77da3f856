"""Calls of several sessions with one statement."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

import pytest
from django.db import OperationalError

from portal.signaling.store import grouped_call
from portal.signaling.store.grouped_call import GroupedCall
from tests.portal.signaling.virtual_time import pass_time, virtual_time


class Statement:
    """Doubles numbers, 0.1 s for each group."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.fails = False

    async def __call__(self, numbers: Sequence[int]) -> dict[int, int]:
        self.groups.append(list(numbers))
        await asyncio.sleep(0.1)
        if self.fails:
            raise OperationalError
        return {number: 2 * number for number in numbers}


@virtual_time
async def test_calls_that_come_while_one_runs_share_the_next_one() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    tasks = [asyncio.create_task(call(number)) for number in (1, 2)]
    await pass_time(0.05)
    tasks += [asyncio.create_task(call(number)) for number in (3, 4, 5)]

    results = await asyncio.gather(*tasks)

    assert statement.groups == [[1, 2], [3, 4, 5]]
    assert [result[number] for number, result in zip((1, 2, 3, 4, 5), results, strict=True)] == [
        2, 4, 6, 8, 10,
    ]  # fmt: skip
    assert (await call(6))[6] == 12


@virtual_time
async def test_a_call_that_waits_can_be_dropped_and_one_that_runs_cannot() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    runs = asyncio.create_task(call(1))
    await pass_time(0.05)
    waits, other = asyncio.create_task(call(2)), asyncio.create_task(call(3))
    await pass_time(0.01)

    dropped = [call.drop(partial(operator.eq, number)) for number in (1, 2, 2)]
    await asyncio.wait({runs, waits, other})

    assert dropped == [False, True, False]
    assert waits.cancelled()
    assert statement.groups == [[1], [3]]
    assert (runs.result()[1], other.result()[3]) == (2, 6)


@virtual_time
async def test_nothing_runs_for_callers_that_were_dropped_before_their_turn() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    dropped = asyncio.create_task(call(1))
    await asyncio.sleep(0)

    assert call.drop(partial(operator.eq, 1))
    await asyncio.wait([dropped])
    await pass_time(0.5)

    assert statement.groups == []
    assert (await call(2))[2] == 4


@virtual_time
async def test_a_group_is_bounded() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    with patch.object(grouped_call, "MAX_GROUP", 2):
        await asyncio.gather(*(call(number) for number in range(5)))

    assert statement.groups == [[0, 1], [2, 3], [4]]


@virtual_time
async def test_a_failure_reaches_every_caller_of_its_group_and_no_other() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    statement.fails = True
    failing = [asyncio.create_task(call(number)) for number in (1, 2)]
    await pass_time(0.05)
    fine = asyncio.create_task(call(3))
    await asyncio.wait(failing)
    statement.fails = False

    assert [type(one.exception()) for one in failing] == [OperationalError] * 2
    assert (await fine)[3] == 6


@virtual_time
async def test_a_cancelled_caller_does_not_cancel_the_others() -> None:
    statement = Statement()
    call = GroupedCall(statement)
    ending, other = (asyncio.create_task(call(number)) for number in (1, 2))
    await pass_time(0.05)

    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending

    assert (await other)[2] == 4


@virtual_time
async def test_no_caller_waits_for_a_group_that_was_cancelled() -> None:
    call = GroupedCall(Statement())
    tasks = [asyncio.create_task(call(1))]
    await pass_time(0.05)
    tasks.append(asyncio.create_task(call(2)))
    await pass_time(0.01)
    assert call._running is not None

    call._running.cancel()
    await asyncio.wait(tasks)

    assert all(task.cancelled() for task in tasks)
    assert (await call(3))[3] == 6
