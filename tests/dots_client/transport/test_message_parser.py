"""CoAP messages as bytes, before any other code sees them."""

from __future__ import annotations

from contextlib import suppress

import aiocoap
import pytest
from aiocoap.numbers import ContentFormat, OptionNumber
from hypothesis import given
from hypothesis import strategies as st

from dots_client.transport.message_parser import (
    MAX_OPTIONS,
    OPTIONS,
    IncomingMessage,
    MalformedMessage,
    read_datagram,
    read_frame,
)

DATAGRAM = 1472
NON_CONTENT = bytes.fromhex("50450001")
"""NON 2.05 with Message ID 1 and no token."""


def read(data: bytes) -> IncomingMessage:
    return read_datagram(data, max_bytes=DATAGRAM)


def option(number: int, value: bytes, *, after: int = 0) -> bytes:
    """One option as encoded in a message."""
    delta, length = number - after, len(value)
    head, extended = 0, b""
    for shift, part in ((4, delta), (0, length)):
        if part < 13:
            head |= part << shift
        elif part < 269:
            head, extended = head | 13 << shift, extended + bytes([part - 13])
        else:
            head, extended = head | 14 << shift, extended + (part - 269).to_bytes(2, "big")
    return bytes([head]) + extended + value


texts = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255)
sound = st.builds(
    lambda mtype, code, mid, token, payload, options: aiocoap.Message(
        code=code, _mtype=mtype, _mid=mid, _token=token, payload=payload, **options
    ),
    mtype=st.sampled_from([aiocoap.CON, aiocoap.NON, aiocoap.ACK]),
    code=st.sampled_from(
        [code for code in aiocoap.Code if code.is_request() or code.is_response()]
    ),
    mid=st.integers(0, 65535),
    token=st.binary(max_size=8),
    payload=st.binary(max_size=300),
    options=st.fixed_dictionaries(
        {},
        optional={
            "uri_path": st.lists(texts, max_size=6),
            "uri_query": st.lists(texts, max_size=3),
            "if_match": st.lists(st.binary(max_size=8), max_size=2),
            "etag": st.binary(min_size=1, max_size=8),
            "observe": st.integers(0, 2**24 - 1),
            "content_format": st.sampled_from([0, 60, 271]),
            "max_age": st.integers(0, 2**32 - 1),
            "block1": st.tuples(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6)),
            "block2": st.tuples(st.integers(0, 2**20 - 1), st.booleans(), st.integers(0, 6)),
            "hop_limit": st.integers(1, 255),
            "size2": st.integers(0, 2**32 - 1),
        },
    ),
)


@given(sound)
def test_a_valid_message_is_read_as_it_was_written(message: aiocoap.Message) -> None:
    encoded = message.encode()

    incoming = read_datagram(encoded, max_bytes=65535)

    got = incoming.message
    assert (got.mtype, got.mid, got.code, got.token) == (
        message.mtype,
        message.mid,
        message.code,
        message.token,
    )
    assert (got.opt.encode(), got.payload) == (message.opt.encode(), message.payload)
    assert got.opt.max_age == message.opt.max_age
    assert got.opt.block2 == message.opt.block2
    assert (incoming.encoded, incoming.not_read, incoming.not_understood) == (encoded, (), ())


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for begin in (b"", b"\x50\x45\x00\x01", b"\x44\x03\x00\x01abcd", b"\x54\x45\x00\x01abcd\xbb"):
        with suppress(MalformedMessage):
            assert read(begin + data).encoded == begin + data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are not a CoAP message"),
        (b"\x50\x45\x00", "3 bytes are not a CoAP message"),
        (b"\x90\x45\x00\x01", "version 2"),
        (b"\x10\x45\x00\x01", "version 0"),
        *(
            (bytes([0x50 | length]) + b"\x45\0\1" + bytes(15), "too long")
            for length in range(9, 16)
        ),
        (b"\x58\x45\x00\x01abc", "token is cut short"),
        (b"\x40\x00\x00\x01\xff", "empty message"),
        (b"\x41\x00\x00\x01a", "empty message"),
        (NON_CONTENT + b"\xff", "no payload after its marker"),
        (NON_CONTENT + b"\xf0", "payload marker"),
        (NON_CONTENT + b"\x0f", "payload marker"),
        (NON_CONTENT + b"\x64ab", "cut short"),
        (NON_CONTENT + b"\xd0", "cut short"),
        (NON_CONTENT + b"\xe0\x01", "cut short"),
        (NON_CONTENT + b"\x0d", "cut short"),
        (NON_CONTENT + b"\xe0\xff\xff" + b"\xe0\xff\xff", "is not an option number"),
        (NON_CONTENT + b"\0" * (MAX_OPTIONS + 1), "more than 64 options"),
        (NON_CONTENT + b"\x10" * 16_200, "of a datagram"),
        (NON_CONTENT + b"\xff" + bytes(DATAGRAM), "of a datagram"),
    ],
)
def test_an_invalid_message_is_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        read(data)


def test_a_message_may_fill_a_datagram() -> None:
    data = NON_CONTENT + b"\xff" + bytes(DATAGRAM - 5)

    assert len(read(data).message.payload) == DATAGRAM - 5


NUMBERS = [
    (6, "observe", 3),
    (12, "content_format", 2),
    (14, "max_age", 4),
    (28, "size2", 4),
    (60, "size1", 4),
    (16, "hop_limit", 1),
]


@pytest.mark.parametrize(("number", "attribute", "longest"), NUMBERS)
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 127, 128, 1200])
def test_a_number_that_is_too_long_is_left_out_and_named(
    number: int, attribute: str, longest: int, length: int
) -> None:
    incoming = read(NON_CONTENT + option(number, b"\xff" * length) + b"\xffx")

    value = getattr(incoming.message.opt, attribute)
    assert incoming.message.payload == b"x"
    assert incoming.not_understood == ()
    if length <= longest:
        assert (value, incoming.not_read) == (256**length - 1, ())
    else:
        assert value is None
        assert incoming.not_read == (f"{OPTIONS[number].name}: has {length} bytes",)


@pytest.mark.parametrize(("number", "longest"), [(7, 2), (17, 2), (23, 3), (27, 3)])
def test_a_critical_number_that_is_too_long_is_not_understood(number: int, longest: int) -> None:
    fits = read(NON_CONTENT + option(number, b"\xff" * longest))
    odd = read(NON_CONTENT + option(number, b"\xff" * (longest + 1)))

    assert fits.not_understood == ()
    assert odd.not_understood == (number,)
    assert odd.not_read == (f"{OPTIONS[number].name}: has {longest + 1} bytes, and it is critical",)


@pytest.mark.parametrize("number", [9, 13, 19, 21, 31, 2053, 65535])
def test_an_unknown_critical_option_is_not_understood(number: int) -> None:
    incoming = read(NON_CONTENT + option(number, b"x"))

    assert incoming.not_understood == (number,)
    assert incoming.not_read == (f"option {number}: is not known, and it is critical",)


@pytest.mark.parametrize("number", [2, 10, 252, 258, 292, 2052, 65534])
def test_an_unknown_elective_option_is_ignored(number: int) -> None:
    incoming = read(NON_CONTENT + option(number, b"x"))

    assert (incoming.not_understood, incoming.not_read) == ((), ())
    assert list(incoming.message.opt.option_list()) == []


def test_the_first_of_a_repeated_single_option_counts() -> None:
    twice = option(14, b"\x05") + option(14, b"\x06", after=14)
    critical = option(23, b"\x06") + option(23, b"\x16", after=23)

    assert read(NON_CONTENT + twice).message.opt.max_age == 5
    assert read(NON_CONTENT + twice).not_read == ("Max-Age: occurs twice",)
    assert read(NON_CONTENT + critical).not_understood == (23,)


def test_an_option_with_invalid_utf_8_is_left_out() -> None:
    location, path = (read(NON_CONTENT + option(number, b"\xff\xfe")) for number in (8, 11))

    assert (location.not_understood, location.not_read) == ((), ("Location-Path: is not UTF-8",))
    assert path.not_understood == (11,)


def test_aiocoap_learns_no_number_from_a_peer() -> None:
    """It would keep each one until the process ends."""
    before = len(ContentFormat._value2member_map_), len(OptionNumber._value2member_map_)

    for number in range(3000, 4000):
        for which in (12, 17):
            incoming = read(NON_CONTENT + option(which, number.to_bytes(2, "big")))
            assert number in (incoming.message.opt.content_format, incoming.message.opt.accept)
        read(NON_CONTENT + option(number, b""))
        read(NON_CONTENT + option(12, number.to_bytes(2, "big") * 600))

    after = len(ContentFormat._value2member_map_), len(OptionNumber._value2member_map_)
    assert after == before


def test_a_signal_has_its_own_options() -> None:
    csm = read_frame(bytes.fromhex("60e1 22 4000 20".replace(" ", "")), header_bytes=2)
    odd = read_frame(bytes.fromhex("70e1 25 0140000000 20".replace(" ", "")), header_bytes=2)
    critical = read_frame(bytes.fromhex("20e1 50"), header_bytes=2)

    assert [(int(one.number), one.value) for one in csm.message.opt.option_list()] == [
        (2, b"\x40\x00"),
        (4, b""),
    ]
    assert odd.not_read == ("Max-Message-Size: has 5 bytes",)
    assert critical.not_understood == (5,)


def test_a_frame_may_have_no_longer_token_than_a_datagram() -> None:
    with pytest.raises(MalformedMessage, match="token of 9 bytes"):
        read_frame(b"\x09\x45" + bytes(9), header_bytes=2)
