from __future__ import annotations

from contextlib import suppress

import aiocoap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dots_client.errors import RemoteProtocolError
from dots_client.transport.frames import MAX_MESSAGE_BYTES, Frames, framed


def message(payload: bytes) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.PUT, _token=b"\x01\x02", uri_path=["a"], payload=payload)


@given(
    sizes=st.lists(st.sampled_from([0, 1, 9, 12, 13, 268, 269, 5000]), max_size=4),
    cut=st.integers(1, 700),
)
@settings(deadline=None)
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    sizes: list[int], cut: int
) -> None:
    stream = b"".join(framed(message(bytes(size))) for size in sizes)
    frames = Frames()

    received = [
        one
        for start in range(0, len(stream), cut)
        for one in frames.receive(stream[start : start + cut])
    ]

    assert [len(one.payload) for one, _ in received] == sizes
    assert all((one.token, one.opt.uri_path) == (b"\x01\x02", ("a",)) for one, _ in received)
    assert b"".join(frame for _, frame in received) == stream


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=500)
def test_junk_is_refused_in_one_way_only(junk: bytes) -> None:
    with suppress(RemoteProtocolError):
        Frames().receive(junk)


def test_an_announced_size_is_judged_before_it_is_waited_for() -> None:
    frames = Frames()
    announced = b"\xf0" + (MAX_MESSAGE_BYTES - 65805 + 65536).to_bytes(4, "big")

    with pytest.raises(RemoteProtocolError, match="are allowed"):
        frames.receive(announced)
