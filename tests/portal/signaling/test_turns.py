"""Turns of statements that many callers share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from portal.signaling.async_events import loop_time
from portal.signaling.store.grouped_call import GroupedCall
from portal.signaling.turns import BURST, EVERY_S, Turns
from tests.portal.signaling.virtual_time import pass_time, virtual_time


async def _start_of_next(turns: Turns) -> float:
    await turns.next()
    return loop_time()


@virtual_time
async def test_a_few_turns_follow_a_quiet_time_at_once_and_the_others_come_evenly() -> None:
    turns, began = Turns(), loop_time()

    starts = [await _start_of_next(turns) - began for _ in range(BURST + 3)]

    assert starts[:BURST] == [0] * BURST
    assert starts[BURST:] == pytest.approx([EVERY_S, 2 * EVERY_S, 3 * EVERY_S])


@virtual_time
async def test_a_pause_makes_room_for_as_many_turns_as_it_is_long() -> None:
    turns = Turns()
    for _ in range(BURST):
        await turns.next()
    await pass_time(2 * EVERY_S)
    began = loop_time()

    starts = [await _start_of_next(turns) - began for _ in range(3)]

    assert starts == pytest.approx([0, 0, EVERY_S])


@virtual_time
async def test_callers_in_a_rush_share_their_turns() -> None:
    groups: list[int] = []

    async def statement(numbers: Sequence[int]) -> None:
        groups.append(len(numbers))

    call = GroupedCall(statement, Turns())
    tasks = []
    for number in range(100):
        tasks.append(asyncio.create_task(call(number)))
        await pass_time(EVERY_S / 10)
    await asyncio.wait(tasks)

    assert sum(groups) == 100
    assert len(groups) <= 10 + BURST
