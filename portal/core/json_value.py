"""Columns that hold a typed value as JSON: one reader and one writer for every such column.

    scope = JSONValueField(Scope)

The attribute is a `Scope`; the column holds what cattrs makes of it. A type may be a frozen
dataclass, an enumeration, an IP network, a date and time, and a tuple or an optional of these.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, overload

from cattrs.errors import StructureHandlerNotFoundError
from cattrs.preconf.json import make_converter
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import BaseExpression, Expression
from django.db.models.fields.json import KeyTransform

from portal.core.targets import IPNetwork

ValueT = TypeVar("ValueT")
StoredT = TypeVar("StoredT")

if TYPE_CHECKING:
    _Column = models.JSONField[StoredT, StoredT]
else:

    class _Column(models.JSONField):
        def __class_getitem__(cls, _types: object) -> type[models.JSONField]:
            return cls


_converter: Final = make_converter(detailed_validation=False)
_converter.register_structure_hook(IPNetwork, lambda text, _: ipaddress.ip_network(text))
for _network in (ipaddress.IPv4Network, ipaddress.IPv6Network):
    _converter.register_unstructure_hook(_network, str)


class UnreadableValueError(ValueError):
    """JSON that does not match the column's type: another release, or a person with a shell, wrote
    it.
    """


def read_json(data: Any, value_type: type[ValueT]) -> ValueT:
    """Convert `data`, as parsed from JSON, to a value of the type.

    Unknown keys are ignored, so that a release can read rows of the next one.

    :raises UnreadableValueError: it does not match the type.
    """
    try:
        return _converter.structure(data, value_type)
    except StructureHandlerNotFoundError:
        raise  # the type itself is wrong
    except Exception as error:  # whatever the constructors of the type raise
        raise UnreadableValueError(f"not JSON of a {value_type!r}: {error!r}") from error


def write_json(value: Any) -> Any:
    """Convert a value to JSON types; plain JSON is unchanged."""
    return _converter.unstructure(value)


class JSONValueField(_Column[StoredT], Generic[StoredT]):
    """A `JSONField` whose attribute has a Python type.

    Migrations see a `JSONField`: a change of the type changes what the rows mean, so it needs a
    data migration instead of a schema migration.
    """

    @overload
    def __init__(
        self: JSONValueField[ValueT], value_type: type[ValueT], **options: Any
    ) -> None: ...
    @overload
    def __init__(
        self: JSONValueField[ValueT | None],
        value_type: type[ValueT],
        *,
        null: Literal[True],
        **options: Any,
    ) -> None: ...
    def __init__(self, value_type: Any, **options: Any) -> None:
        self.value_type = value_type
        super().__init__(**options)

    def deconstruct(self) -> Any:
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.JSONField", arguments, options

    def clone(self) -> Any:
        """A copy, for the state of migrations."""
        _name, _path, arguments, options = self.deconstruct()
        return type(self)(self.value_type, *arguments, **options)

    def from_db_value(
        self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper
    ) -> Any:
        data = super().from_db_value(value, expression, connection)
        if data is None or isinstance(expression, KeyTransform):
            return data
        return read_json(data, self.value_type)

    def to_python(self, value: Any) -> Any:
        """Read the JSON of forms and fixtures."""
        if value is None or not isinstance(value, (dict, list, str)):
            return value
        try:
            return read_json(value, self.value_type)
        except UnreadableValueError as error:
            raise ValidationError(str(error)) from error

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if isinstance(value, BaseExpression) else write_json(value)

    def value_from_object(self, obj: models.Model) -> Any:
        """JSON, for forms and fixtures."""
        return write_json(super().value_from_object(obj))
