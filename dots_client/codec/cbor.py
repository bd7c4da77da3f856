"""application/dots+cbor ⇄ maps with the RFC's names, by the table of `keys`.

A *tree* is what lies between bytes and the model: dictionaries from attribute name to value, where
decimals are `Decimal` and enumerations plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import cbor2

from dots_client.codec.keys import (
    BY_KEY,
    BY_NAME,
    MESSAGE,
    Attribute,
    Comprehension,
    Kind,
    Sender,
    comprehension,
)
from dots_client.errors import DecodeError, EncodeError

Tree = dict[str, Any]

MAX_BODY_BYTES: Final = 65536
MAX_DEPTH: Final = 16

DOTS_TAG: Final = 271
EPOCH_TAG: Final = 1
DECIMAL_TAG: Final = 4
DECIMAL_EXPONENT: Final = -2
TOLERATED_EXPONENTS: Final = range(-9, 10)
MAX_DECIMAL: Final = 2**63 - 1
"""decimal64 is a 64-bit integer scaled by its fraction digits (RFC 7950 section 9.3)."""

# cbor2 turns these into dates, regular expressions, shared references and so on; in DOTS they mean nothing.
CBOR2_TAGS: Final = (
    0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip


def _keep_tag(tag: int) -> Callable[[Any, bool], cbor2.CBORTag]:
    return lambda value, _immutable: cbor2.CBORTag(tag, value)


# Without an own decoder cbor2 freezes what a tag holds: lists come out as tuples.
_TAGS_AS_THEY_ARE: Final = {tag: _keep_tag(tag) for tag in (*CBOR2_TAGS, DOTS_TAG)}


def parse(data: bytes) -> Any:
    """The one CBOR item `data` holds, without the optional DOTS tag, and nothing after it."""
    if len(data) > MAX_BODY_BYTES:
        raise DecodeError("", f"{len(data)} bytes are more than the {MAX_BODY_BYTES} allowed")
    stream = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_TAGS_AS_THEY_ARE,
        max_depth=MAX_DEPTH,
        allow_duplicate_keys=False,
    )
    try:
        item = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise DecodeError("", f"not CBOR: {error}") from error
    if stream.tell() != len(data):
        raise DecodeError("", f"{len(data) - stream.tell()} bytes after the end")
    if isinstance(item, cbor2.CBORTag) and item.tag == DOTS_TAG:
        return item.value
    return item


def unpack(data: bytes, *, sender: Sender) -> Tree:
    """Bytes to tree. What a client sends is read strictly, what a server sends tolerantly.

    A server's answer without content is the empty tree.
    """
    strict = sender is Sender.CLIENT
    if not data and not strict:
        return {}
    item = parse(data)
    # Deployed servers answer 2.01 with the single byte f6 (null).
    if item is None and not strict:
        return {}
    return _Reader(sender, strict=strict).read_map(item, MESSAGE, "")


def pack(tree: Tree, *, sender: Sender) -> bytes:
    """Tree to bytes, deterministic: definite lengths, shortest integers, ascending keys."""
    return cbor2.dumps(_write_map(tree, MESSAGE, "", sender), canonical=True)


def join(path: str, name: str) -> str:
    """The path of attribute `name` below `path`, without the name of the YANG module."""
    short = name.rpartition(":")[2]
    return f"{path}.{short}" if path else short


class _Reader:
    def __init__(self, sender: Sender, *, strict: bool) -> None:
        self._sender = sender
        self._strict = strict

    def read_map(self, item: Any, within: str, path: str) -> Tree:
        if not isinstance(item, Mapping):
            raise DecodeError(path, "must be a map")
        tree: Tree = {}
        unknown: list[int] = []
        for key, value in item.items():
            if type(key) is not int or key < 0:
                raise DecodeError(path, "a map key is not an unsigned integer")
            attribute = BY_KEY.get(key)
            if attribute is None:
                if comprehension(key) is Comprehension.REQUIRED:
                    unknown.append(key)
            elif within in attribute.within and self._sender in attribute.sender:
                if attribute.name in tree:
                    raise DecodeError(join(path, attribute.name), "is there twice")
                tree[attribute.name] = self._read(attribute, value, join(path, attribute.name))
            elif self._strict:
                raise DecodeError(join(path, attribute.name), "does not belong here")
        if unknown:
            keys = ", ".join(str(key) for key in sorted(unknown))
            raise DecodeError(path, f"unknown key {keys}")
        return tree

    def _read(self, attribute: Attribute, value: Any, path: str) -> Any:
        match attribute.kind:
            case Kind.MAP:
                return self.read_map(value, attribute.name, path)
            case Kind.MAPS:
                return [
                    self.read_map(entry, attribute.name, at)
                    for at, entry in self._entries(value, path)
                ]
            case Kind.TEXTS:
                return [self._text(entry, at) for at, entry in self._entries(value, path)]
            case Kind.UINTS:
                return [
                    self._uint(entry, at, attribute.maximum)
                    for at, entry in self._entries(value, path)
                ]
            case Kind.TEXT:
                return self._text(value, path)
            case Kind.BOOLEAN:
                if not isinstance(value, bool):
                    raise DecodeError(path, "must be true or false")
                return value
            case Kind.DECIMAL:
                return self._decimal(value, path)
            case Kind.LIFETIME:
                if type(value) is int and value == -1:
                    return value
                return self._uint(value, path, attribute.maximum)
            case _:
                return self._number(attribute, value, path)

    def _entries(self, value: Any, path: str) -> list[tuple[str, Any]]:
        if not isinstance(value, list):
            raise DecodeError(path, "must be an array")
        if self._strict and not value:
            raise DecodeError(path, "must not be empty")
        return [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]

    def _text(self, value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise DecodeError(path, "must be a text string")
        if self._strict and not value:
            raise DecodeError(path, "must not be empty")
        return value

    def _number(self, attribute: Attribute, value: Any, path: str) -> int:
        # RFC 9132 section 4.4.2: mitigation-start is sent without the epoch tag; some servers add it.
        if not self._strict and isinstance(value, cbor2.CBORTag) and value.tag == EPOCH_TAG:
            value = value.value
        number = self._uint(value, path, attribute.maximum)
        if self._strict and attribute.labels and not 1 <= number <= len(attribute.labels):
            raise DecodeError(path, f"{number} is not assigned")
        return number

    def _uint(self, value: Any, path: str, maximum: int) -> int:
        if type(value) is not int or value < 0:
            raise DecodeError(path, "must be an unsigned integer")
        if value > maximum:
            raise DecodeError(path, f"must be at most {maximum}")
        return value

    def _decimal(self, value: Any, path: str) -> Decimal:
        if not isinstance(value, cbor2.CBORTag) or value.tag != DECIMAL_TAG:
            raise DecodeError(path, "must be a decimal fraction (tag 4)")
        exponents = (DECIMAL_EXPONENT,) if self._strict else TOLERATED_EXPONENTS
        match value.value:
            case [exponent, mantissa] if (
                type(exponent) is int
                and type(mantissa) is int
                and exponent in exponents
                and abs(mantissa) <= MAX_DECIMAL
            ):
                return Decimal(mantissa).scaleb(exponent)
            case _:
                raise DecodeError(path, "must be tag 4 of [-2, integer]")


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
        case _:
            if attribute.labels:
                return _uint(value, path, 1, len(attribute.labels))
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
    """decimal64 with two fraction digits, as Table 5 wants it: never a float."""
    if not isinstance(value, Decimal) or not value.is_finite():
        raise EncodeError(path, "must be a decimal number")
    if abs(value) > Decimal(MAX_DECIMAL).scaleb(DECIMAL_EXPONENT):
        raise EncodeError(path, "is too large")
    if value != value.quantize(Decimal(1).scaleb(DECIMAL_EXPONENT)):
        raise EncodeError(path, "must have at most two decimal places")
    return cbor2.CBORTag(DECIMAL_TAG, [DECIMAL_EXPONENT, int(value.scaleb(-DECIMAL_EXPONENT))])
