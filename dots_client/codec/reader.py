"""Decode application/dots+cbor to trees: strictly from clients, tolerantly from servers.

One invalid attribute must not hide the rest of a server's answer: it is left out and named in
`not_read`, and `null` counts as absent. Reading any body takes bounded time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final, TypeVar

import cbor2

from dots_client.codec.cbor import (
    DECIMAL_EXPONENT,
    DECIMAL_TAG,
    EPOCH_TAG,
    MAX_DECIMAL,
    Tree,
    join,
    parse,
    parse_tolerantly,
)
from dots_client.codec.keys import (
    BY_KEY,
    MESSAGE,
    TABLE,
    Attribute,
    Comprehension,
    Kind,
    Sender,
    comprehension,
)
from dots_client.errors import DecodeError
from dots_client.model import INDEFINITE
from dots_client.text import clean_text

MAX_SCOPE_ENTRIES: Final = 64
"""The most mitigations read from one answer. Poll the others one by one."""
MAX_VALUES: Final = 1850
"""The most values read from one body, which bounds the time. Maps and unreadable values count as
several.  Enough for 231 port ranges, the most that one datagram of a client can ask for. """
MAP_COST: Final = 6
ODD_COST: Final = 8
MAX_KEYS: Final = 128
"""The most keys read from one map. The largest in Table 5 has 25."""
MAX_TEXT_CHARACTERS: Final = 1024
MAX_NOT_READ: Final = 16
"""Unreadable attributes named for one body. The rest are counted."""
MAX_UNKNOWN_KEYS: Final = 8
MAX_DIGITS: Final = 20
"""2^64-1 has twenty."""

NOT_READ: Final = "not_read"
"""The key under which a scope entry of a tree lists what was left out. No attribute has this
name."""

_TOLERATED_EXPONENTS: Final = range(-9, 10)
_HUNDREDTH: Final = Decimal(1).scaleb(DECIMAL_EXPONENT)
_LARGEST_DECIMAL: Final = Decimal(MAX_DECIMAL).scaleb(DECIMAL_EXPONENT)

Path = tuple[str | int, ...]
T = TypeVar("T")


def unpack(data: bytes, *, sender: Sender) -> Tree:
    """Decode bytes to a tree.

    DecodeError names the attribute; for a server's answer it is raised only if the body is not a
    map.

    A server's answer without content is the empty tree.
    """
    if sender is Sender.CLIENT:
        return _read(parse(data), _Reader(sender))
    return unpack_answer(data)[0]


def unpack_answer(data: bytes) -> tuple[Tree, tuple[str, ...]]:
    """The tree of a server's answer, and the unreadable parts as text."""
    if not data:
        return {}, ()
    item, overlooked = parse_tolerantly(data)
    # Deployed servers answer 2.01 with the single byte f6 (null).
    if item is None:
        return {}, overlooked
    reader = _Reader(Sender.SERVER)
    tree = _read(item, reader)
    return tree, (*overlooked, *reader.not_read)


def not_read_of(data: bytes) -> tuple[str, ...]:
    """The parts of a server's answer that a client ignores, as text.

    Empty for a body that is not DOTS.
    """
    try:
        return unpack_answer(data)[1]
    except DecodeError:
        return ()


def _read(item: Any, reader: _Reader) -> Tree:
    try:
        return reader.read_map(item, MESSAGE, ())
    except _Odd as odd:
        raise DecodeError("", odd.reason) from None


class _Odd(Exception):
    """The value cannot be read. The reader of the enclosing map or list knows the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Reader:
    def __init__(self, sender: Sender) -> None:
        self._is_strict = sender is Sender.CLIENT
        self._tables = _TABLES[sender]
        self._left = MAX_VALUES
        self._not_read: list[str] = []
        self._not_read_count = 0

    @property
    def not_read(self) -> tuple[str, ...]:
        more = self._not_read_count - len(self._not_read)
        return (*self._not_read, *([f"and {more} more"] if more else []))

    def read_map(self, item: Any, within: str, path: Path) -> Tree:
        if not isinstance(item, Mapping):
            raise _Odd("must be a map")
        table = self._tables[within]
        tree: Tree = {}
        unknown: list[int] = []
        for key, value in self._members(item, path):
            if type(key) is not int or key < 0:
                self._leave_out(_Odd("a map key is not an unsigned integer"), path)
            elif (found := table.get(key)) is None:
                self._pass_over(key, path, unknown)
            elif value is not None or self._is_strict:
                attribute, read = found
                try:
                    if attribute.name in tree:
                        raise _Odd("occurs twice")
                    tree[attribute.name] = read(self, attribute, value, path)
                except _Odd as odd:
                    self._leave_out(odd, (*path, attribute.name))
        if unknown:
            self._leave_out(_Odd(f"unknown key {_some(unknown)}"), path)
        return tree

    def _members(self, item: Mapping[Any, Any], path: Path) -> Iterator[tuple[Any, Any]]:
        if len(item) > MAX_KEYS:
            self._leave_out(_Odd(f"has {len(item)} keys, {MAX_KEYS} are read"), path)
        self._left -= MAP_COST + min(len(item), MAX_KEYS)
        return islice(item.items(), MAX_KEYS)

    def _pass_over(self, key: int, path: Path, unknown: list[int]) -> None:
        """A key that does not belong in this map. A server may repeat attributes of its client."""
        known = BY_KEY.get(key)
        if known is not None:
            if self._is_strict:
                self._leave_out(_Odd("does not belong here"), (*path, known.name))
        elif comprehension(key) is Comprehension.REQUIRED:
            unknown.append(key)

    def _leave_out(self, odd: _Odd, path: Path) -> None:
        """Leave the attribute out, or refuse the whole body."""
        if self._is_strict:
            raise DecodeError(_dotted(path), odd.reason) from None
        self._left -= ODD_COST
        self._not_read_count += 1
        if len(self._not_read) < MAX_NOT_READ:
            at = _dotted(path)
            self._not_read.append(f"{at}: {odd.reason}" if at else odd.reason)

    def _map(self, attribute: Attribute, value: Any, path: Path) -> Tree:
        return self.read_map(value, attribute.name, (*path, attribute.name))

    def _maps(self, attribute: Attribute, value: Any, path: Path) -> list[Tree]:
        return self._each(attribute, value, path, self._entry)

    def _texts(self, attribute: Attribute, value: Any, path: Path) -> list[str]:
        return self._each(attribute, value, path, self._text)

    def _uints(self, attribute: Attribute, value: Any, path: Path) -> list[int]:
        return self._each(attribute, value, path, self._uint)

    def _each(
        self,
        attribute: Attribute,
        value: Any,
        path: Path,
        read: Callable[[Attribute, Any, Path], T],
    ) -> list[T]:
        if not isinstance(value, list):
            raise _Odd("must be an array")
        if not value:
            if self._is_strict:
                raise _Odd("must not be empty")
            return []
        path = (*path, attribute.name)
        limit = MAX_SCOPE_ENTRIES if attribute.name == "scope" else MAX_VALUES
        entries: list[T] = []
        for index, entry in enumerate(value):
            self._left -= 1
            if index == limit or self._left < 0:
                self._leave_out(_Odd(f"has {len(value)} entries, {index} are read"), path)
                break
            if entry is not None or self._is_strict:
                at = (*path, index)
                try:
                    entries.append(read(attribute, entry, at))
                except _Odd as odd:
                    self._leave_out(odd, at)
        return entries

    def _entry(self, attribute: Attribute, value: Any, path: Path) -> Tree:
        before = len(self._not_read)
        tree = self.read_map(value, attribute.name, path)
        if attribute.name == "scope" and len(self._not_read) > before:
            tree[NOT_READ] = tuple(self._not_read[before:])
        return tree

    def _text(self, _attribute: Attribute, value: Any, _path: Path) -> str:
        if not isinstance(value, str):
            raise _Odd("must be a text string")
        text = value if self._is_strict else clean_text(value, MAX_TEXT_CHARACTERS)
        if not text:
            raise _Odd("must not be empty")
        return text

    def _boolean(self, _attribute: Attribute, value: Any, _path: Path) -> bool:
        if not isinstance(value, bool):
            raise _Odd("must be true or false")
        return value

    def _uint(self, attribute: Attribute, value: Any, _path: Path) -> int:
        if type(value) is not int and not self._is_strict:
            value = _untagged(attribute, value)
        if type(value) is not int or value < 0:
            raise _Odd("must be an unsigned integer")
        if value > attribute.maximum:
            raise _Odd(f"must be at most {attribute.maximum}")
        if self._is_strict and attribute.labels and not 1 <= value <= len(attribute.labels):
            raise _Odd(f"{value} is not assigned")
        return value

    def _lifetime(self, attribute: Attribute, value: Any, path: Path) -> int:
        is_indefinite = type(value) is int and value == INDEFINITE
        return INDEFINITE if is_indefinite else self._uint(attribute, value, path)

    def _decimal(self, _attribute: Attribute, value: Any, _path: Path) -> Decimal:
        if not isinstance(value, cbor2.CBORTag) or value.tag != DECIMAL_TAG:
            raise _Odd("must be a decimal fraction (tag 4)")
        exponents = (DECIMAL_EXPONENT,) if self._is_strict else _TOLERATED_EXPONENTS
        match value.value:
            case [exponent, mantissa] if (
                type(exponent) is int
                and type(mantissa) is int
                and exponent in exponents
                and abs(mantissa) <= MAX_DECIMAL
            ):
                number = Decimal(mantissa).scaleb(exponent)
                if abs(number) > _LARGEST_DECIMAL:
                    raise _Odd("is too large")
                return number.quantize(_HUNDREDTH)
            case _:
                raise _Odd("must be tag 4 of [-2, integer]")


def _untagged(attribute: Attribute, value: Any) -> Any:
    """The number in a server's value: plain, with the tag for times, or as text (RFC 7951)."""
    # RFC 9132 section 4.4.2 has mitigation-start without the epoch tag. Some servers add it.
    if isinstance(value, cbor2.CBORTag) and value.tag == EPOCH_TAG:
        return value.value
    if attribute.is_string_in_json and isinstance(value, str) and len(value) <= MAX_DIGITS:
        return int(value) if value.isascii() and value.isdecimal() else value
    return value


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text = f"{text}[{step}]" if isinstance(step, int) else join(text, step)
    return text


def _some(keys: list[int]) -> str:
    named = ", ".join(str(key) for key in sorted(keys)[:MAX_UNKNOWN_KEYS])
    more = len(keys) - MAX_UNKNOWN_KEYS
    return f"{named} and {more} more" if more > 0 else named


_Read = Callable[[_Reader, Attribute, Any, Path], Any]

_READ_BY_KIND: Final[Mapping[Kind, _Read]] = {
    Kind.MAP: _Reader._map,
    Kind.MAPS: _Reader._maps,
    Kind.TEXT: _Reader._text,
    Kind.TEXTS: _Reader._texts,
    Kind.UINT: _Reader._uint,
    Kind.UINTS: _Reader._uints,
    Kind.LIFETIME: _Reader._lifetime,
    Kind.BOOLEAN: _Reader._boolean,
    Kind.DECIMAL: _Reader._decimal,
}


def _table(sender: Sender) -> dict[str, dict[int, tuple[Attribute, _Read]]]:
    """Each attribute that `sender` may send and how to read it, by enclosing map and key."""
    places = {MESSAGE, *(attribute.name for attribute in TABLE)}
    return {
        place: {
            key: (attribute, _READ_BY_KIND[attribute.kind])
            for key, attribute in BY_KEY.items()
            if place in attribute.within and sender in attribute.sender
        }
        for place in places
    }


_TABLES: Final = {sender: _table(sender) for sender in (Sender.CLIENT, Sender.SERVER)}
