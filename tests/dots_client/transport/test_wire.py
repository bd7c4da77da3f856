from __future__ import annotations

from typing import Any

import aiocoap
import pytest

from dots_client.codec import from_json
from dots_client.transport.wire import (
    MAX_WORDS,
    AnsweredRequest,
    Direction,
    WireRecord,
    record,
)


def message(**options: Any) -> aiocoap.Message:
    payload = options.pop("payload", b"body")
    return aiocoap.Message(
        code=aiocoap.PUT,
        _mtype=aiocoap.NON,
        _mid=7,
        _token=b"\x01\x02",
        payload=payload,
        **options,
    )


def recorded(
    message: aiocoap.Message,
    *,
    direction: Direction = "sent",
    request: aiocoap.Message | None = None,
) -> WireRecord:
    return record(
        message,
        direction=direction,
        at=1.5,
        session=3,
        transport="dtls",
        encoded=message.encode(),
        request=request,
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
    assert recorded(message(**options)).options == words


def test_paths_and_options_are_printable_and_bounded() -> None:
    made = recorded(message(uri_path=["a\0b\n", "c" * 1000], uri_query=["\u202ed", "e" * 1000]))

    assert made.path.startswith("/a b /cc")
    assert made.options.startswith("Uri-Query= d&ee")
    assert len(made.path) == len(made.options) == MAX_WORDS


def test_the_record_has_the_whole_message_as_it_was_sent() -> None:
    request = message(uri_path=["a"])

    made = recorded(request)

    assert made.message == request.encode()
    assert made.size == len(request.encode())
    assert (made.session, made.transport, made.at) == (3, "dtls", 1.5)


def test_a_response_shows_its_request() -> None:
    request = message(uri_path=["a", "b"])
    response = aiocoap.Message(code=aiocoap.CHANGED, _mtype=aiocoap.ACK, _mid=7, _token=b"\x01\x02")

    known = recorded(response, direction="received", request=request)
    unknown = recorded(response, direction="received")

    assert (known.kind, known.code, known.path) == ("ACK", "2.04", "/a/b")
    assert known.answers == AnsweredRequest(code="0.03", path="/a/b", message_id=7)
    assert (unknown.path, unknown.answers) == ("", None)


def test_a_request_answers_nothing() -> None:
    earlier = message(uri_path=["a"])

    made = recorded(message(uri_path=["b"]), request=earlier)

    assert (made.path, made.answers) == ("/b", None)


def test_an_empty_message_can_be_shown() -> None:
    reset = aiocoap.Message(code=aiocoap.EMPTY, _mtype=aiocoap.RST, _mid=7)

    made = recorded(reset)

    assert (made.kind, made.code, made.message_id, made.token) == ("RST", "0.00", 7, "")
    assert made.size == 4


HEARTBEAT = {"ietf-dots-signal-channel:heartbeat": {"peer-hb-status": True}}


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b"", None),
        (from_json(HEARTBEAT), HEARTBEAT),
        (b"no such mid", "no such mid"),
        (b"dmids", "dmids"),  # also a CBOR text
        (b"\xff\xfe", "��"),
        (b"drop\0\nall", "drop all"),
        (bytes.fromhex("a1623c001819"), {"<": 25}),
        (b"x" * 9000, "x" * 4095 + "…"),
        (
            bytes.fromhex("a101a10281a111a115a11681a11763610062"),
            {
                "ietf-dots-signal-channel:mitigation-scope": {
                    "scope": [
                        {
                            "conflict-information": {
                                "conflict-scope": {"acl-list": [{"acl-name": "a b"}]}
                            }
                        }
                    ]
                }
            },
        ),
    ],
)
def test_a_body_is_shown_with_names_and_a_diagnostic_as_its_text(payload: bytes, body: Any) -> None:
    assert recorded(message(payload=payload)).body == body
