"""Split a payload into records: one JSON object, an array, NDJSON, or lines of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from portal.alerts.alert import RejectionCode, UnmappableError

MAX_RECORDS: Final = 500
"""Maximum records of one payload."""
_LINE_KEYS: Final = ("message", "log", "MESSAGE")
"""Where Vector, Fluent Bit and journald put a line of text."""


def json_records(body: bytes) -> list[object]:
    """The records of a body in JSON, at most `MAX_RECORDS`; each may be of any JSON type.

    :raises UnmappableError: the body is no JSON, empty or too large.
    """
    text = _text(body).strip()
    try:
        found = _parsed(text)
    except json.JSONDecodeError:
        found = [_parsed_line(line) for line in _lines(text)]
    records = found if isinstance(found, list) else [found]
    return _bounded(records)


def line_records(body: bytes) -> list[object]:
    """The lines of a log, plain or in the JSON of a log shipper.

    :raises UnmappableError: the body is empty or too large.
    """
    text = _text(body).strip()
    if text[:1] in ("{", "["):
        try:
            return [_line(record) for record in json_records(body)]
        except UnmappableError as error:
            # A line of a log may begin with a bracket too.
            if error.code != RejectionCode.NOT_JSON:
                raise
    return _bounded(list(_lines(text)))


def _line(record: object) -> object:
    if isinstance(record, Mapping):
        return next((record[key] for key in _LINE_KEYS if key in record), record)
    return record


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnmappableError(RejectionCode.NOT_TEXT) from None
    if "\0" in text:
        raise UnmappableError(RejectionCode.NUL)
    return text


def _lines(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > MAX_RECORDS:
        raise UnmappableError(RejectionCode.TOO_MANY_RECORDS)
    return lines


def _bounded(records: list[Any]) -> list[object]:
    if not records:
        raise UnmappableError(RejectionCode.EMPTY)
    if len(records) > MAX_RECORDS:
        raise UnmappableError(RejectionCode.TOO_MANY_RECORDS)
    return records


def _parsed_line(line: str) -> object:
    try:
        return _parsed(line)
    except json.JSONDecodeError:
        raise UnmappableError(RejectionCode.NOT_JSON) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except RecursionError:
        raise UnmappableError(RejectionCode.TOO_DEEP) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if isinstance(error, UnmappableError):
            raise
        # Python refuses to read integers of more than 4,300 digits.
        raise UnmappableError(RejectionCode.BAD_NUMBER) from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnmappableError(RejectionCode.DUPLICATE_KEY)
    if any("\0" in key or (isinstance(value, str) and "\0" in value) for key, value in pairs):
        raise UnmappableError(RejectionCode.NUL)
    return found


def _no_number(_name: str) -> NoReturn:
    raise UnmappableError(RejectionCode.NOT_A_NUMBER)
