"""CBOR as DOTS uses it, and the encoder of trees to application/dots+cbor by the table in `keys`.

`reader` decodes.

A *tree* lies between bytes and the model: dictionaries from attribute name to value, where decimals
are `Decimal` and enumerations are plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import cbor2

from dots_client.codec.keys import BY_NAME, MESSAGE, Attribute, Kind, Sender
from dots_client.errors import DecodeError, EncodeError
from dots_client.text import clean_text

Tree = dict[str, Any]

MAX_BODY_BYTES: Final = 65536
MAX_DEPTH: Final = 64
"""Nesting of maps and arrays; DOTS needs seven."""

DOTS_TAG: Final = 271
EPOCH_TAG: Final = 1
DECIMAL_TAG: Final = 4
DECIMAL_EXPONENT: Final = -2
MAX_DECIMAL: Final = 2**63 - 1
"""decimal64 is a 64-bit integer scaled by its fraction digits (RFC 7950 section 9.3)."""

# cbor2 turns these into dates, regular expressions, shared references and so on, which DOTS does
# not use.
CBOR2_TAGS: Final = (
    0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000,
    55799,
)  # fmt: skip


def _keep_tag(tag: int) -> Callable[[Any, bool], cbor2.CBORTag]:
    return lambda value, _immutable: cbor2.CBORTag(tag, value)


# Without our own decoder, cbor2 freezes the content of a tag, so that lists become tuples.
_TAGS_AS_THEY_ARE: Final = {tag: _keep_tag(tag) for tag in (*CBOR2_TAGS, DOTS_TAG)}


def parse(data: bytes) -> Any:
    """The one CBOR item in `data`, without the optional DOTS tag.

    DecodeError for anything after it.
    """
    item, length = _decoded(data)
    if length != len(data):
        raise DecodeError("", f"{len(data) - length} bytes after the end")
    return item


def parse_tolerantly(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """The same for a server's answer, with the ignored problems as text.

    Bytes that are not UTF-8 become U+FFFD, and the last of duplicate attributes counts.
    """
    overlooked = []
    try:
        item, length = _decoded(data)
    except DecodeError as error:
        item, length = _decoded(data, is_tolerant=True)
        overlooked.append(error.reason)
    if length != len(data):
        overlooked.append(f"{len(data) - length} bytes after the end")
    return item, tuple(overlooked)


def _decoded(data: bytes, *, is_tolerant: bool = False) -> tuple[Any, int]:
    """The first item in `data`, and its length in bytes."""
    if len(data) > MAX_BODY_BYTES:
        raise DecodeError("", f"{len(data)} bytes are more than the {MAX_BODY_BYTES} allowed")
    stream = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_TAGS_AS_THEY_ARE,
        max_depth=MAX_DEPTH,
        allow_duplicate_keys=is_tolerant,
        str_errors="replace" if is_tolerant else "strict",
    )
    try:
        item = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise DecodeError("", f"not CBOR: {clean_text(str(error))}") from error
    if isinstance(item, cbor2.CBORTag) and item.tag == DOTS_TAG:
        item = item.value
    return item, stream.tell()


def pack(tree: Tree, *, sender: Sender) -> bytes:
    """Tree to bytes, deterministic: definite lengths, shortest integers, ascending keys."""
    return cbor2.dumps(_write_map(tree, MESSAGE, "", sender), canonical=True)


def join(path: str, name: str) -> str:
    """The path of attribute `name` below `path`, without the name of the YANG module."""
    short = name.rpartition(":")[2]
    return f"{path}.{short}" if path else short


def _write_map(tree: Any, within: str, path: str, sender: Sender) -> dict[int, Any]:
    if not isinstance(tree, Mapping):
        raise EncodeError(path, "must be a map")
    written: dict[int, Any] = {}
    for name, value in tree.items():
        at = join(path, name)
        attribute = BY_NAME.get(name)
        if attribute is None:
            raise EncodeError(at, "is not an attribute of RFC 9132")
        if within not in attribute.within or sender not in attribute.sender:
            raise EncodeError(at, "does not belong here")
        written[attribute.key] = _write(attribute, value, at, sender)
    return written


def _write(attribute: Attribute, value: Any, path: str, sender: Sender) -> Any:
    match attribute.kind:
        case Kind.MAP:
            return _write_map(value, attribute.name, path, sender)
        case Kind.MAPS:
            return [
                _write_map(entry, attribute.name, at, sender) for at, entry in _filled(value, path)
            ]
        case Kind.TEXTS:
            return [_text(entry, at) for at, entry in _filled(value, path)]
        case Kind.UINTS:
            return [_uint(entry, at, 0, attribute.maximum) for at, entry in _filled(value, path)]
        case Kind.TEXT:
            return _text(value, path)
        case Kind.BOOLEAN:
            if not isinstance(value, bool):
                raise EncodeError(path, "must be true or false")
            return value
        case Kind.DECIMAL:
            return decimal_fraction(value, path)
        case Kind.LIFETIME:
            return _uint(value, path, -1, attribute.maximum)
        # A server may report a number that is not assigned yet.
        case _ if attribute.labels and sender is Sender.CLIENT:
            return _uint(value, path, 1, len(attribute.labels))
        case _:
            return _uint(value, path, 0, attribute.maximum)


def _filled(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, list) or not value:
        raise EncodeError(path, "must be a list with at least one entry")
    return [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise EncodeError(path, "must be text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EncodeError(path, "is not Unicode text") from error
    return value


def _uint(value: Any, path: str, minimum: int, maximum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise EncodeError(path, "must be a whole number")
    if not minimum <= value <= maximum:
        raise EncodeError(path, f"must be between {minimum} and {maximum}")
    return int(value)


def decimal_fraction(value: Any, path: str) -> cbor2.CBORTag:
    """decimal64 with two fraction digits, as in Table 5; never a float."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise EncodeError(path, "must be a decimal number")
    if abs(value) > Decimal(MAX_DECIMAL).scaleb(DECIMAL_EXPONENT):
        raise EncodeError(path, "is too large")
    if value != value.quantize(Decimal(1).scaleb(DECIMAL_EXPONENT)):
        raise EncodeError(path, "must have at most two decimal places")
    return cbor2.CBORTag(DECIMAL_TAG, [DECIMAL_EXPONENT, int(value.scaleb(-DECIMAL_EXPONENT))])
