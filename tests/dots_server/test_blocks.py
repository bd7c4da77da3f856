from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiocoap
import pytest

from dots_server.blocks import MAX_KEPT, Blocks, is_follow_up

BODY = bytes(range(256)) * 8


def request(*, path: str = "x", **options: Any) -> aiocoap.Message:
    message = aiocoap.Message(code=aiocoap.GET, uri_path=[path], **options)
    message.remote = SimpleNamespace(serial=1, maximum_payload_size=1100)
    return message


def response(payload: bytes = BODY) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.CONTENT, payload=payload, content_format=271, observe=5)


def test_an_answer_that_fits_is_sent_in_one_message() -> None:
    whole = response(BODY[:1100])

    assert Blocks().first(whole, request()) is whole


@pytest.mark.rule("SS-041")
def test_the_blocks_together_are_the_whole_and_carry_one_etag() -> None:
    blocks = Blocks()
    got = [blocks.first(response(), request())]
    while got[-1].opt.block2.more:
        follow_up = request(block2=(len(got), False, 6))
        assert is_follow_up(follow_up)
        got.append(blocks.later(follow_up))

    assert b"".join(block.payload for block in got) == BODY
    assert len({block.opt.etag for block in got}) == 1
    assert [block.opt.observe for block in got] == [5, None]
    assert {block.opt.content_format for block in got} == {271}


@pytest.mark.rule("SS-041")
def test_the_client_can_ask_for_smaller_blocks() -> None:
    block = Blocks().first(response(), request(block2=(0, False, 2)))

    assert len(block.payload) == 64
    assert not is_follow_up(request(block2=(0, False, 2)))


def test_a_block_beyond_the_end_is_refused() -> None:
    blocks = Blocks()
    blocks.first(response(), request())

    assert blocks.later(request(block2=(2, False, 6))).code is aiocoap.REQUEST_ENTITY_INCOMPLETE


def test_a_bounded_number_of_unfinished_answers_is_kept() -> None:
    blocks = Blocks()
    for number in range(MAX_KEPT + 1):
        blocks.first(response(), request(path=str(number)))

    first = blocks.later(request(path="0", block2=(1, False, 6)))
    last = blocks.later(request(path=str(MAX_KEPT), block2=(1, False, 6)))

    assert first.code is aiocoap.REQUEST_ENTITY_INCOMPLETE
    assert last.code is aiocoap.CONTENT
