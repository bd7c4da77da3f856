"""Parses bodies: strict JSON, no larger than any call needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, Final, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from portal.api.errors import BodyTooLarge
from portal.core.body_limits import MAX_BODY_BYTES

MAX_NAMES: Final = 50
"""In one object; no call has half as many."""
MAX_ENTRIES: Final = 1000
"""In one list. The limits of the fields are lower and are reported on the field."""
MAX_COMMAS: Final = 5000
"""In a body, counted before it is parsed, also inside strings: 85,000 empty lists fit into
256 KiB.
"""
MAX_DEPTH: Final = 8
"""Nesting of lists and objects."""


def bounded(stream: IO[Any]) -> bytes:
    """All of the body. Raises BodyTooLarge."""
    body: bytes = stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body is larger than {MAX_BODY_BYTES:,} bytes.")
    return body


class BoundedJSONParser(BaseParser):
    """Strict RFC 8259: UTF-8, no NaN, no duplicate names in an object, and no name that UTF-8
    cannot encode.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = bounded(stream)
        if body.count(b",") > MAX_COMMAS:
            raise ParseError(f"The body has more than {MAX_COMMAS:,} commas.")
        try:
            value = json.loads(
                body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_object
            )
            _check_size(value)
            return value
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not plain JSON: {_short(error)}.") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_NAMES:
        raise ValueError(f"an object has more than {MAX_NAMES} names")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a duplicate name")
    for name in found:
        # The answer, in UTF-8, repeats an unknown name to the caller. The fields check the values.
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise ValueError("a field name contains an unpaired surrogate")
    return found


def _check_size(value: Any) -> None:
    """ValueError for lists that are too long and nesting that is too deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, list) and len(one) > MAX_ENTRIES:
                raise ValueError(f"a list has more than {MAX_ENTRIES:,} entries")
            if isinstance(one, list | dict):
                inner += one if isinstance(one, list) else one.values()
        if not inner:
            return
        level = inner
    raise ValueError(f"lists and objects are nested more than {MAX_DEPTH} deep")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120]
