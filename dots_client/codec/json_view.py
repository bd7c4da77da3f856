"""Between application/dots+cbor and JSON with the names and labels of RFC 9132.

The JSON shows the whole body, whether the protocol allows it or not: only CBOR is checked. Unknown
keys appear as their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

import cbor2

from dots_client.codec.cbor import DECIMAL_TAG, decimal_fraction, join, parse, parse_tolerantly
from dots_client.codec.keys import BY_KEY, BY_READ_NAME, Attribute, Kind
from dots_client.errors import DecodeError, EncodeError

_MAX_DIGITS: Final = 20
"""2^64-1 has twenty."""
_SHOWN_EXPONENTS: Final = range(-9, 10)


def to_json(data: bytes) -> Any:
    """The body as JSON values; None if it is empty. Raises DecodeError if it is not CBOR."""
    return _show_map(parse_tolerantly(data)[0]) if data else None


def from_json(value: Any) -> bytes:
    """The body that `value` describes, valid or not: the rules of the protocol are not applied."""
    return cbor2.dumps(_read_map(value, ""), canonical=True)


def _show_map(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return _show_plain(item)
    shown: dict[str, Any] = {}
    for key, value in item.items():
        attribute = BY_KEY.get(key) if type(key) is int else None
        if attribute is None:
            shown[str(key)] = _show_plain(value)
        else:
            shown[attribute.name] = _show(attribute, value)
    return shown


def _show(attribute: Attribute, value: Any) -> Any:
    if attribute.kind is Kind.MAP:
        return _show_map(value)
    if attribute.kind is Kind.MAPS and isinstance(value, list):
        return [_show_map(entry) for entry in value]
    if type(value) is int:
        if attribute.is_string_in_json:
            return str(value)
        if 1 <= value <= len(attribute.labels):
            return attribute.labels[value - 1]
    return _show_plain(value)


def _show_plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case list() | tuple():
            return [_show_plain(entry) for entry in value]
        case Mapping():
            return {str(key): _show_plain(entry) for key, entry in value.items()}
        case float() if isfinite(value):
            return value
        case bytes():
            return value.hex()
        case cbor2.CBORTag(tag=tag, value=[exponent, mantissa]) if (
            tag == DECIMAL_TAG
            # A CBOR simple value compares equal to its number, but is not an integer.
            and type(exponent) is int
            and exponent in _SHOWN_EXPONENTS
            and type(mantissa) is int
        ):
            return f"{Decimal(mantissa).scaleb(exponent):f}"
    # JSON cannot express the rest: undefined, tags, infinities.
    return str(value)


def _read_map(value: Any, path: str) -> dict[int, Any]:
    if not isinstance(value, Mapping):
        raise EncodeError(path, "must be an object")
    read: dict[int, Any] = {}
    for name, member in value.items():
        at = join(path, str(name))
        attribute = BY_READ_NAME.get(name)
        if attribute is None:
            raise EncodeError(at, "is not an attribute of RFC 9132")
        read[attribute.key] = _read(attribute, member, at)
    return read


def _read(attribute: Attribute, value: Any, path: str) -> Any:
    if attribute.kind is Kind.MAP:
        return _read_map(value, path)
    if attribute.kind is Kind.MAPS and isinstance(value, list):
        return [_read_map(entry, f"{path}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, str):
        return _read_text(attribute, value, path)
    try:
        return parse(cbor2.dumps(value))
    except (cbor2.CBORError, DecodeError) as error:
        raise EncodeError(path, f"cannot be sent: {error}") from error


def _read_text(attribute: Attribute, text: str, path: str) -> Any:
    if attribute.labels:
        if text not in attribute.labels:
            raise EncodeError(path, f"must be one of {', '.join(attribute.labels)}")
        return attribute.labels.index(text) + 1
    if (
        attribute.is_string_in_json
        and text.isascii()
        and text.isdigit()
        and len(text) <= _MAX_DIGITS
    ):
        return int(text)
    if attribute.kind is Kind.DECIMAL:
        try:
            number = Decimal(text)
        except InvalidOperation as error:
            raise EncodeError(path, "must be a decimal number like 2.00") from error
        return decimal_fraction(number, path)
    return text
