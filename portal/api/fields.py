"""Fields that accept one JSON type each, and state plainly what they expected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Self, TypeVar, cast
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import SkipField
from rest_framework.request import Request
from rest_framework.utils.serializer_helpers import BindingDict

from portal.core.targets import TargetError, protocol_number
from portal.core.wording.targets import sentence

MAX_UNKNOWN_NAMED: Final = 20
"""Maximum unknown field names listed in one answer."""
MAX_WHOLE_NUMBER: Final = 2**53
"""The largest integer that every JSON implementation represents exactly."""

_Shown = TypeVar("_Shown")

_MISSING: Final = object()
_COMMON: Final = {"required": "This is missing.", "null": "This must not be null."}


class ApiSerializer(serializers.Serializer[_Shown]):
    # No docstring: it would be the description of each subclass in docs/openapi.yaml.
    #
    # The framework copies the fields of a class for each instance, so that an instance could change
    # them, and again those of each nested one: milliseconds for each answer. None does that here,
    # so all instances share one copy, which belongs to an instance without data.
    #
    # It also looks up again how to read each field of each object. Plain attributes are read
    # directly here, and everything else by the framework.

    @property
    def fields(self) -> BindingDict:
        return _fields_of(type(self))

    def to_representation(self, instance: Any) -> dict[str, Any]:
        if isinstance(instance, dict):
            return super().to_representation(cast(Any, instance))
        shown = {}
        for name, field, read in _readers_of(type(self)):
            try:
                value = instance if read is None else read(instance)
            except (AttributeError, ObjectDoesNotExist):
                value = _MISSING
            if value is _MISSING or callable(value):
                try:
                    value = field.get_attribute(instance)
                except SkipField:
                    continue
            shown[name] = None if value is None else field.to_representation(value)
        return shown


@cache
def _fields_of(kind: type[ApiSerializer[Any]]) -> BindingDict:
    owner = kind()
    fields = BindingDict(owner)
    for name, field in owner.get_fields().items():
        fields[name] = field
    return fields


@cache
def _readers_of(
    kind: type[ApiSerializer[Any]],
) -> list[tuple[str, serializers.Field[Any, Any, Any, Any], Callable[[Any], Any] | None]]:
    """The fields of an answer: name, field, and how to read it; None: it gets the whole object."""
    return [
        (name, field, attrgetter(".".join(field.source_attrs)) if field.source_attrs else None)
        for name, field in _fields_of(kind).items()
        if not field.write_only
    ]


class StrictSerializer(ApiSerializer[Any]):
    """An object with the named fields and no others."""

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be an object.",
        "unknown-field": "Unknown field.",
    }

    @classmethod
    def of(cls, request: Request) -> Self:
        """The checked body of a call. ValidationError names the fields that are wrong."""
        form = cls(data=request.data)
        form.is_valid(raise_exception=True)
        return form

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            message = str(self.error_messages["wrong-type"])
            raise serializers.ValidationError(
                {"non_field_errors": [ErrorDetail(message, "wrong-type")]}
            )
        unknown = list(
            islice((name for name in data if name not in self.fields), MAX_UNKNOWN_NAMED)
        )
        if unknown:
            message = str(self.error_messages["unknown-field"])
            raise serializers.ValidationError(
                {name[:60]: [ErrorDetail(message, "unknown-field")] for name in unknown}
            )
        return super().to_internal_value(data)


class SparseShown(ApiSerializer[Any]):
    # A docstring here would be the description of each subclass in docs/openapi.yaml.

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """The object without the optional fields that have no value."""
        optional = {name for name, field in self.fields.items() if not field.required}
        shown = super().to_representation(instance)
        return {
            name: value
            for name, value in shown.items()
            if name not in optional or value not in (None, [])
        }


class Text(serializers.Field[str, str, str, Any]):
    """A string that any database can store."""

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be text.",
        "blank": "Must not be empty.",
        "too-long": "{length} characters given; at most {limit} are allowed.",
        "odd-characters": "This contains characters that are not allowed. Type it again.",
    }

    def __init__(self, *, max_length: int, allow_blank: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.max_length = max_length
        self.allow_blank = allow_blank

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong-type")
        if len(data) > self.max_length:
            self.fail("too-long", length=f"{len(data):,}", limit=f"{self.max_length:,}")
        if "\0" in data or any("\ud800" <= char <= "\udfff" for char in data):
            self.fail("odd-characters")
        if not data.strip() and not self.allow_blank:
            self.fail("blank")
        return data

    def to_representation(self, value: str) -> str:
        return value


class WholeNumber(serializers.Field[int, int, int, Any]):
    """A JSON number without a fraction.

    `at_least` and `at_most` are for the document of the API: the service refuses values beyond
    them, with a sentence on the field.
    """

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be a whole number.",
        "out-of-range": "This number is too large.",
    }

    def __init__(
        self, *, at_least: int = -MAX_WHOLE_NUMBER, at_most: int = MAX_WHOLE_NUMBER, **options: Any
    ) -> None:
        super().__init__(**options)
        self.at_least = at_least
        self.at_most = at_most

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("wrong-type")
        if abs(data) > MAX_WHOLE_NUMBER:
            self.fail("out-of-range")
        return data

    def to_representation(self, value: int) -> int:
        return value


class Percent(serializers.Field[Decimal, float, float, Any]):
    """A JSON number. The service refuses what is no percentage, with a sentence on the field."""

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be a number.",
        "out-of-range": "This number is too large.",
    }

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("wrong-type")
        if abs(data) > MAX_WHOLE_NUMBER:
            self.fail("out-of-range")
        # As written: 99.9 and not the nearest binary fraction.
        return Decimal(repr(data))

    def to_representation(self, value: Decimal) -> float:
        return float(value)


class Protocol(WholeNumber):
    """A protocol by its number, or by a name such as "tcp"."""

    default_error_messages = {"wrong-type": "Must be a number, or a name like tcp."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str):
            return super().to_internal_value(data)
        try:
            return protocol_number(data)
        except TargetError as error:
            raise serializers.ValidationError(
                [ErrorDetail(sentence(error), str(error.code))]
            ) from error


class YesNo(serializers.Field[bool, bool, bool, Any]):
    """true or false."""

    default_error_messages = {**_COMMON, "wrong-type": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("wrong-type")
        return data

    def to_representation(self, value: bool) -> bool:  # noqa: FBT001 — the framework's signature
        return value


class Choice(Text):
    """One of a few words."""

    default_error_messages = {"not-a-choice": "Choose one of: {choices}."}

    def __init__(self, choices: list[str], **options: Any) -> None:
        super().__init__(max_length=100, **options)
        self.choices = choices

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text not in self.choices:
            self.fail("not-a-choice", choices=", ".join(self.choices))
        return text


class Identifier(serializers.Field[UUID, str, str, Any]):
    """A UUID."""

    default_error_messages = {**_COMMON, "not-an-id": "Not a valid UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        try:
            return UUID(data)
        except (ValueError, TypeError, AttributeError):
            self.fail("not-an-id")

    def to_representation(self, value: UUID) -> str:
        return str(value)


class Instant(serializers.Field[datetime, str, str, Any]):
    """A time with its zone, in the format the API returns."""

    default_error_messages = {
        **_COMMON,
        "not-a-time": "Must be a time with its zone, such as 2026-01-31T12:00:00Z.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        try:
            found = datetime.fromisoformat(data)
        except (ValueError, TypeError):
            self.fail("not-a-time")
        if found.tzinfo is None:
            self.fail("not-a-time")
        return found

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class Several(serializers.ListField):
    """A list with a limit, which is checked before its items."""

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be a list.",
        "too-many": "{count} items given; at most {limit} are allowed.",
    }

    def __init__(self, *, limit: int, **options: Any) -> None:
        super().__init__(**options)
        self.limit = limit

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("wrong-type")
        if len(data) > self.limit:
            self.fail("too-many", count=f"{len(data):,}", limit=self.limit)
        return super().to_internal_value(data)


class Texts(serializers.DictField):
    """An object whose values are text, with a limit on how many."""

    default_error_messages = {
        **_COMMON,
        "wrong-type": "Must be an object.",
        "too-many": "{count} items given; at most {limit} are allowed.",
    }

    def __init__(self, *, limit: int, max_length: int, **options: Any) -> None:
        super().__init__(child=Text(max_length=max_length, allow_blank=True), **options)
        self.limit = limit

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("wrong-type")
        if len(data) > self.limit:
            self.fail("too-many", count=f"{len(data):,}", limit=self.limit)
        found: dict[str, str] = super().to_internal_value(data)
        return found
