"""Bodies: JSON, strict, and no larger than any call needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from portal.api.errors import BodyTooLarge
from portal.core.asgi import MAX_BODY_BYTES


class BoundedJSONParser(BaseParser):
    """Strict RFC 8259: UTF-8, no NaN, no duplicate names in an object, and no name that UTF-8 cannot encode."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(f"The body is larger than {MAX_BODY_BYTES:,} bytes.")
        try:
            return json.loads(
                body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_object
            )
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except json.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not plain JSON: {_short(error)}.") from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same name twice")
    for name in found:
        # The answer, in UTF-8, repeats an unknown name to the caller. The fields check the values.
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise ValueError("the name of a field contains half of a character")
    return found


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120]
