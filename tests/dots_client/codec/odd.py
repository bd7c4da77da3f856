"""Reports of a server with one odd member: the mid and the status of every body here
are readable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cbor2
from hypothesis import strategies as st

from dots_client.codec.cbor import CBOR2_TAGS

VECTORS: Final = Path(__file__).parents[1] / "vectors" / "rfc9132.json"
MID: Final = 5
STATUS: Final = 16
MITIGATION_SCOPE: Final = 1
SCOPE: Final = 2

DEPLOYED: Final = {
    "a server's own attributes": "a101a10281b6050a0f1a6b0b1c3c06816e3230332e302e3131332e302f32360781a2081901bb"
    "091901bb0a81060b800c800d80198000801980018019800280183580182df50e1902561002181900181a00181b00181c"
    "0018cc8018cd8018cf80",
    "a lifetime of null": "a101a10281ab05183c0f1a6b0b1d120ef61002181900181a00181b00181c0018cc8018cd8018cf80",
    "a plan that waits": "a101a10281b60518460f0006816f3230332e302e3131332e36342f323707800a800b800c800d8019"
    "8000801980018019800280183580182df40e201008181900181a00181b00181c0018cc8018cd8018cf80",
    "filters (RFC 9133)": "a101a10281a505187c0e190bb80f1a59df7bc21002183581a2176e616e2d6163636570742d6c697374"
    "183402",
    "telemetry (RFC 9244)": "a101a10281ab0519302c0d8266687474707331666874747073320e1906400f1a59df7bc2100218191a"
    "0801c85b181a19a950181b1a13de47ac181c1a0006993018cd81a2188608188d1902f018cf81a318a4184d18a9a1188f"
    "19318b18ca197ed9",
}


@dataclass(slots=True)
class Pairs:
    """A map with keys of any type, possibly duplicates."""

    pairs: list[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes in place of an item, well-formed or at least of the right length."""

    data: bytes


def encode(item: Any) -> bytes:
    if isinstance(item, Raw):
        return item.data
    if isinstance(item, Pairs):
        body = b"".join(encode(key) + encode(value) for key, value in item.pairs)
        return _head(5, len(item.pairs)) + body
    if isinstance(item, list):
        return _head(4, len(item)) + b"".join(encode(entry) for entry in item)
    return cbor2.dumps(item)


def _head(major: int, length: int) -> bytes:
    head = cbor2.dumps(length)
    return bytes([head[0] | major << 5]) + head[1:]


def reports() -> dict[str, bytes]:
    """Every body with the status of a mitigation, from the RFCs or from a deployed server."""
    vectors = json.loads(VECTORS.read_text())
    found = {
        vector["name"]: bytes.fromhex(vector["cbor_hex"])
        for vector in vectors
        if vector["direction"] == "server-to-client" and not vector["negative"]
        if (vector["cbor_hex"] or "").startswith("a101a10281")
    }
    found |= {name: bytes.fromhex(data) for name, data in DEPLOYED.items()}
    return {name: data for name, data in found.items() if {MID, STATUS} <= _entry(data).keys()}


def _entry(data: bytes) -> dict[int, Any]:
    entry: dict[int, Any] = cbor2.loads(data)[MITIGATION_SCOPE][SCOPE][0]
    return entry


def mid_and_status(data: bytes) -> tuple[int, int]:
    """The mid and the status of a valid report."""
    entry = _entry(data)
    return entry[MID], entry[STATUS]


def _opened(item: Any) -> Any:
    if isinstance(item, dict):
        return Pairs([(key, _opened(value)) for key, value in item.items()])
    return [_opened(entry) for entry in item] if isinstance(item, list) else item


def _maps(item: Any) -> Iterator[Pairs]:
    if isinstance(item, Pairs):
        yield item
        for _, value in item.pairs:
            yield from _maps(value)
    elif isinstance(item, list):
        for entry in item:
            yield from _maps(entry)


def _lists(item: Any) -> Iterator[list[Any]]:
    if isinstance(item, list):
        yield item
        for entry in item:
            yield from _lists(entry)
    elif isinstance(item, Pairs):
        for _, value in item.pairs:
            yield from _lists(value)


NOT_UTF8: Final = [Raw(b"\x61\xff"), Raw(b"\x64a\xc3\x28b"), Raw(b"\x63\xed\xa0\x80")]
LEAVES = (
    st.none()
    | st.just(cbor2.undefined)
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12)
    | st.sampled_from(NOT_UTF8)
    | st.builds(lambda number: Raw(cbor2.dumps(2**64 + number)), st.integers(0, 2**80))
)
KEYS = (
    st.integers(0, 60)
    | st.integers(60, 70_000)
    | st.integers(-5, -1)
    | st.text(max_size=4)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(Pairs, st.lists(st.tuples(KEYS, inner), max_size=3))
        | st.builds(
            lambda tag, value: Raw(_head(6, tag) + encode(value)),
            st.sampled_from([*CBOR2_TAGS, 99]),
            inner,
        )
    ),
    max_leaves=12,
)


@st.composite
def odd_reports(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with one change outside the mid, the status and everything that contains them."""
    body = _opened(cbor2.loads(data))
    scope = body.pairs[0][1]
    entries = scope.pairs[0][1]
    entry = entries[0]
    holders = {id(body): (MITIGATION_SCOPE,), id(scope): (SCOPE,), id(entry): (MID, STATUS)}

    def may_change(place: Pairs, index: int) -> bool:
        return place.pairs[index][0] not in holders.get(id(place), ())

    members = [
        (place, index)
        for place in _maps(body)
        for index in range(len(place.pairs))
        if may_change(place, index)
    ]
    inner_lists = [place for place in _lists(body) if place is not entries and place]
    kinds = ["add", "entry", "after"]
    kinds += ["value", "key", "twice", "remove"] if members else []
    kinds += ["in a list"] if inner_lists else []
    match draw(st.sampled_from(kinds)):
        case "value":
            place, index = draw(st.sampled_from(members))
            place.pairs[index] = place.pairs[index][0], draw(VALUES)
        case "key":
            place, index = draw(st.sampled_from(members))
            key = draw(KEYS.filter(lambda key: key not in holders.get(id(place), ())))
            place.pairs[index] = key, place.pairs[index][1]
        case "twice":
            place, index = draw(st.sampled_from(members))
            place.pairs.insert(index, (place.pairs[index][0], draw(VALUES)))
        case "remove":
            place, index = draw(st.sampled_from(members))
            del place.pairs[index]
        case "add":
            place = draw(st.sampled_from(list(_maps(body))))
            key = draw(KEYS.filter(lambda key: key not in holders.get(id(place), ())))
            place.pairs.insert(draw(st.integers(0, len(place.pairs))), (key, draw(VALUES)))
        case "in a list":
            place_in = draw(st.sampled_from(inner_lists))
            place_in[draw(st.integers(0, len(place_in) - 1))] = draw(VALUES)
        case "entry":
            other = draw(
                VALUES | st.builds(lambda value: Pairs([(MID, value)]), LEAVES.filter(_is_odd))
            )
            entries.insert(draw(st.integers(0, 1)), other)
        case _:
            return encode(body) + draw(st.binary(min_size=1, max_size=4))
    return encode(body)


def _is_odd(value: Any) -> bool:
    """A number that cannot be a mid."""
    return type(value) is not int
