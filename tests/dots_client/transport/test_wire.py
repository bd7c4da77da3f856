from __future__ import annotations

from typing import Any

import aiocoap
import pytest

from dots_client.transport.wire import record


def message(**options: Any) -> aiocoap.Message:
    return aiocoap.Message(
        code=aiocoap.PUT,
        _mtype=aiocoap.NON,
        _mid=7,
        _token=b"\x01\x02",
        payload=b"body",
        **options,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ""),
        ({"if_match": [b""]}, "If-Match=empty"),
        ({"observe": 0, "content_format": 271}, "Observe=0, Content-Format=271"),
        ({"uri_query": ["c=n", "x=y"]}, "Uri-Query=c=n&x=y"),
        ({"block2": (2, True, 4)}, "Block2=2/1/256"),
        ({"etag": b"\xab"}, "ETag=ab"),
        ({"max_age": 3600, "hop_limit": 16}, "Max-Age=3600, Hop-Limit=16"),
    ],
)
def test_options_are_summarised(options: dict[str, Any], words: str) -> None:
    made = record(message(**options), direction="sent", at=0, size=99, request=None)

    assert made.options == words


def test_a_response_shows_the_path_of_its_request() -> None:
    request = message(uri_path=["a", "b"])
    response = aiocoap.Message(code=aiocoap.CHANGED, _mtype=aiocoap.ACK, _mid=7)

    known = record(response, direction="received", at=1.5, size=4, request=request)
    unknown = record(response, direction="received", at=1.5, size=4, request=None)

    assert (known.kind, known.code, known.path) == ("ACK", "2.04", "/a/b")
    assert unknown.path == ""


def test_an_empty_message_can_be_shown() -> None:
    reset = aiocoap.Message(code=aiocoap.EMPTY, _mtype=aiocoap.RST, _mid=7)

    made = record(reset, direction="sent", at=0, size=4, request=None)

    assert (made.kind, made.code, made.message_id, made.token) == ("RST", "0.00", 7, "")
