from __future__ import annotations

from contextlib import suppress
from typing import Any

import aiocoap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dots_client.transport.frames import MAX_MESSAGE_BYTES, Frames, framed
from dots_client.transport.message_parser import MalformedMessage


def message(payload: bytes) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.PUT, _token=b"\x01\x02", uri_path=["a"], payload=payload)


@given(
    sizes=st.lists(st.sampled_from([0, 1, 9, 12, 13, 268, 269, 5000]), max_size=4),
    cut=st.integers(1, 700),
)
@settings(deadline=None)
def test_messages_are_reassembled_however_the_stream_is_split(sizes: list[int], cut: int) -> None:
    stream = b"".join(framed(message(bytes(size))) for size in sizes)
    frames = Frames()

    received = [
        one
        for start in range(0, len(stream), cut)
        for one in frames.receive(stream[start : start + cut])
    ]

    messages = [one.message for one in received]
    assert [len(one.payload) for one in messages] == sizes
    assert all((one.token, one.opt.uri_path) == (b"\x01\x02", ("a",)) for one in messages)
    assert b"".join(one.encoded for one in received) == stream


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=500)
def test_junk_is_refused_in_one_way_only(junk: bytes) -> None:
    with suppress(MalformedMessage):
        list(Frames().receive(junk))


def test_an_announced_size_is_checked_before_the_body_is_awaited() -> None:
    announced = b"\xe0" + (MAX_MESSAGE_BYTES - 269 + 1).to_bytes(2, "big")

    with pytest.raises(MalformedMessage, match="are allowed"):
        list(Frames().receive(announced))


def test_a_token_that_is_too_long_is_refused_before_it_arrives() -> None:
    with pytest.raises(MalformedMessage, match="token of 9 bytes"):
        list(Frames().receive(b"\x09\x45"))


def test_empty_messages_are_left_out_with_or_without_a_token() -> None:
    frames = Frames()
    stream = b"\0\0" + framed(message(b"x")) + b"\0\0" * 3 + b"\x01\0\xaa" + framed(message(b"y"))

    assert [one.message.payload for one in frames.receive(stream)] == [b"x", b"y"]


def test_a_stream_of_empty_messages_is_copied_once_and_not_once_for_each() -> None:
    """Counts copied bytes instead of time: each message is copied once, and the rest stays in
    place.
    """

    class Counting(bytes):
        copied = 0

        def __getitem__(self, place: Any) -> Any:
            part = super().__getitem__(place)
            Counting.copied += len(part) if isinstance(part, bytes) else 0
            return part

        def __radd__(self, other: bytes) -> Counting:
            return Counting(other + bytes(self))

    stream = Counting(b"\0\0" * 50_000)

    frames = Frames()
    frames._waiting = Counting()
    assert list(frames.receive(stream)) == []
    assert Counting.copied <= 10 * len(stream)
