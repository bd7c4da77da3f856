"""What a slow reader, and readers of many reports, get: the newest numbers and every status."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.broadcast import EventFrame
from portal.realtime import outbox
from portal.realtime.frames import EncodedEvent, fold
from portal.realtime.numbers_pace import NUMBERS_EVERY_S, NumbersPace
from portal.realtime.outbox import Outbox

NUMBERS = "mitigation.counters"
kinds = st.lists(
    st.tuples(st.sampled_from([NUMBERS, "mitigation.status"]), st.sampled_from("abc")), max_size=60
)


def frames_of(kinds: Sequence[tuple[str, str]], **data: Any) -> list[EncodedEvent]:
    return [
        EncodedEvent(
            EventFrame(
                seq=number,
                at="2026-10-06T03:12:14Z",
                type=kind,
                request="r",
                mitigation=mitigation,
                data={"bps_dropped": number, **data},
            )
        )
        for number, (kind, mitigation) in enumerate(kinds, 1)
    ]


def newest_numbers(frames: Sequence[EncodedEvent]) -> dict[str | None, int]:
    return {one.event["mitigation"]: one.seq for one in frames if one.is_numbers}


def statuses(frames: Sequence[EncodedEvent]) -> list[int]:
    return [one.seq for one in frames if not one.is_numbers]


def numbers_are_explained(frames: Sequence[EncodedEvent]) -> bool:
    last = 0
    for frame in frames:
        if frame.seq != last + 1 + frame.thinned:
            return False
        last = frame.seq
    return True


@given(kinds, st.integers(0, 60))
def test_folding_keeps_statuses_and_the_newest_numbers_and_counts_the_others(
    kinds: list[tuple[str, str]], cut: int
) -> None:
    frames = frames_of(kinds)

    folded = fold(frames)

    assert statuses(folded) == statuses(frames)
    assert newest_numbers(folded) == newest_numbers(frames)
    assert len([one for one in folded if one.is_numbers]) == len(newest_numbers(frames))
    assert numbers_are_explained(folded)
    # Folding in steps gives the same as folding at once.
    in_steps = fold([*fold(frames[:cut]), *frames[cut:]])
    assert [one.event for one in in_steps] == [one.event for one in folded]


def test_a_report_does_not_say_how_long_a_missing_one_lasted() -> None:
    kinds = [(NUMBERS, "a"), (NUMBERS, "b"), (NUMBERS, "a")]

    b, a = fold(frames_of(kinds, held_until="2026-10-06T03:12:16Z"))

    assert a.event["data"] == {"bps_dropped": 3}
    assert b.event["data"] == {"bps_dropped": 2, "held_until": "2026-10-06T03:12:16Z"}


@given(kinds, st.integers(1, 20))
def test_an_outbox_is_bounded_and_loses_no_status(kinds: list[tuple[str, str]], limit: int) -> None:
    frames, box = frames_of(kinds), Outbox()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "PENDING_EVENTS", limit)
        for frame in frames:
            box.put([frame])
    waiting = []
    while frame_or_none := box.pop():
        waiting.append(frame_or_none)

    assert len(waiting) <= limit
    if box.has_overflowed:
        assert not waiting
        assert len(fold(frames)) > limit
    else:
        assert statuses(waiting) == statuses(frames)
        assert newest_numbers(waiting) == newest_numbers(frames)
        assert numbers_are_explained(waiting)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.sampled_from("abc")), max_size=60))
def test_numbers_leave_every_two_seconds_and_statuses_at_once(
    steps: list[tuple[float, bool, str]],
) -> None:
    frames = frames_of([(NUMBERS if is_numbers else "x", which) for _, is_numbers, which in steps])
    pace, now, left, bursts = NumbersPace(), 0.0, [], []
    for (wait, is_numbers, _), frame in zip(steps, frames, strict=True):
        while pace.due_at is not None and pace.due_at <= now + wait:
            due_at = pace.due_at
            due = pace.due(due_at)
            assert due
            left += due
            bursts.append(due_at)
        now += wait
        sent = pace.put([frame], now)
        left += sent
        if not is_numbers:
            assert sent[-1] is frame or sent[-1].seq == frame.seq
            bursts.clear()
        elif sent:
            bursts.append(now)
        assert all(b - a >= NUMBERS_EVERY_S - 1e-9 for a, b in pairwise(bursts))
    if pace.due_at is not None:
        left += pace.due(pace.due_at)

    assert numbers_are_explained(left)
    assert statuses(left) == statuses(frames)
    assert newest_numbers(left) == newest_numbers(frames)


def test_a_frame_does_not_count_numbers_that_its_reader_has() -> None:
    *_, last = fold(frames_of([(NUMBERS, "a")] * 6))

    assert [last.after(seq).thinned for seq in (0, 3, 5)] == [5, 2, 0]
    assert last.after(0) is last
