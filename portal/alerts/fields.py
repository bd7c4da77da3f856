"""Read the fields of a record by type.

A record with a wrong type is unmappable; a missing field is empty.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from portal.alerts.alert import MAX_LINK_LENGTH, MAX_TEXT_LENGTH, RejectionCode, UnmappableError

MAX_NUMBER: Final = 2**63 - 1
"""What a database column holds."""
_FIRST_YEAR: Final = 1971
"""Earlier years stand for "not yet": 0001 in Go, 1970 in C."""
_LAST_YEAR: Final = 2200


class Fields:
    """A JSON object."""

    def __init__(self, data: Mapping[str, object], path: str = "") -> None:
        self._data = data
        self._path = path

    @classmethod
    def of(cls, record: object, path: str = "") -> Fields:
        if not isinstance(record, Mapping):
            raise UnmappableError(RejectionCode.NOT_AN_OBJECT, path)
        return cls(record, path)

    def folded(self) -> Fields:
        """The same with keys in lower case, for sources that spell them in several ways."""
        return Fields({key.lower(): value for key, value in self._data.items()}, self._path)

    def __contains__(self, name: str) -> bool:
        return self._data.get(name) is not None

    def names(self) -> Iterable[str]:
        return self._data

    def raw(self, name: str) -> object:
        return self._data.get(name)

    def as_dict(self) -> dict[str, object]:
        return dict(self._data)

    def path(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str, longest: int = MAX_TEXT_LENGTH) -> str:
        """Printable text, shortened to `longest` characters."""
        value = self._data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name)
        return printable(value, longest)

    def label(self, name: str) -> str:
        """Text, or a number written as text: an identifier."""
        value = self._data.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER:
            return str(value)
        return self.text(name)

    def needed(self, name: str) -> str:
        found = self.label(name)
        if not found:
            raise UnmappableError(RejectionCode.MISSING, self.path(name))
        return found

    def number(self, name: str) -> float | None:
        """A finite number from 0, also written as text."""
        value = self._data.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise self.wrong(name)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise UnmappableError(RejectionCode.BAD_NUMBER, self.path(name)) from None
        if not math.isfinite(number) or not 0 <= number <= MAX_NUMBER:
            raise UnmappableError(RejectionCode.BAD_NUMBER, self.path(name))
        return number

    def amount(self, name: str, factor: float = 1) -> int | None:
        """A number times `factor`, rounded."""
        number = self.number(name)
        return None if number is None else min(round(number * factor), MAX_NUMBER)

    def flag(self, name: str) -> bool | None:
        value = self._data.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name)
        return value

    def time(self, name: str, per_second: float = 1) -> datetime | None:
        """RFC 3339 text, or a number of seconds (or parts of them) since 1970; None if open."""
        value = self._data.get(name)
        if isinstance(value, str) and value and not value.replace(".", "", 1).isdecimal():
            return self._written_time(name, value)
        number = self.number(name)
        if not number:
            return None
        try:
            return datetime.fromtimestamp(number / per_second, UTC)
        except (ValueError, OverflowError, OSError):
            raise UnmappableError(RejectionCode.BAD_TIME, self.path(name)) from None

    def _written_time(self, name: str, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text[:64])
        except ValueError:
            raise UnmappableError(RejectionCode.BAD_TIME, self.path(name)) from None
        if moment.year < _FIRST_YEAR:
            return None
        if moment.year > _LAST_YEAR:
            raise UnmappableError(RejectionCode.BAD_TIME, self.path(name))
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)

    def link(self, name: str) -> str:
        """A web address; empty if it is none."""
        found = self.text(name, MAX_LINK_LENGTH + 1)
        is_one = found.startswith(("https://", "http://")) and len(found) <= MAX_LINK_LENGTH
        return found if is_one else ""

    def child(self, name: str) -> Fields:
        value = self._data.get(name)
        if value is None:
            return Fields({}, self.path(name))
        if not isinstance(value, Mapping):
            raise self.wrong(name)
        return Fields(value, self.path(name))

    def children(self, name: str) -> list[Fields]:
        return [
            Fields.of(value, f"{self.path(name)}.{index}")
            for index, value in enumerate(self._list(name))
        ]

    def texts(self, name: str) -> list[str]:
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, str):
                raise UnmappableError(RejectionCode.WRONG_TYPE, f"{self.path(name)}.{index}")
            found.append(printable(value))
        return found

    def labels(self, name: str) -> list[str]:
        """Texts or numbers, as text."""
        values = self._list(name)
        each = Fields({str(index): value for index, value in enumerate(values)}, self.path(name))
        return [each.label(str(index)) for index in range(len(values))]

    def _list(self, name: str) -> list[object]:
        value = self._data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name)
        return value

    def wrong(self, name: str) -> UnmappableError:
        return UnmappableError(RejectionCode.WRONG_TYPE, self.path(name))


def printable(text: str, longest: int = MAX_TEXT_LENGTH) -> str:
    """`text` without control characters, on one line."""
    spaced = " ".join(text[: 4 * longest].split())
    kept = (char for char in spaced if unicodedata.category(char) not in ("Cc", "Cs", "Cf"))
    return "".join(kept)[:longest].strip()
