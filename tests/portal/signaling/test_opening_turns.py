from __future__ import annotations

from portal.signaling.sessions.opening_turns import AT_ONCE, TURN_S, OpeningTurns, Turn
from tests.portal.signaling.virtual_time import pass_time, virtual_time


def come(turns: list[Turn]) -> int:
    return sum(one.has_come.is_set() for one in turns)


@virtual_time
async def test_the_next_turn_comes_when_one_ends() -> None:
    queue = OpeningTurns()
    turns = [queue.queue() for _ in range(AT_ONCE + 3)]
    assert come(turns) == AT_ONCE

    turns[5].end()
    turns[5].end()

    assert come(turns) == AT_ONCE + 1
    assert turns[AT_ONCE].has_come.is_set(), "first come, first served"


@virtual_time
async def test_one_that_leaves_the_queue_takes_no_turn() -> None:
    queue = OpeningTurns()
    turns = [queue.queue() for _ in range(AT_ONCE + 2)]

    turns[AT_ONCE].end()
    turns[0].end()

    assert not turns[AT_ONCE].has_come.is_set()
    assert turns[AT_ONCE + 1].has_come.is_set()


@virtual_time
async def test_servers_that_do_not_answer_delay_others_for_a_moment() -> None:
    queue = OpeningTurns()
    turns = [queue.queue() for _ in range(3 * AT_ONCE)]

    await pass_time(TURN_S)
    assert come(turns) == 2 * AT_ONCE
    await pass_time(TURN_S)
    assert come(turns) == 3 * AT_ONCE
