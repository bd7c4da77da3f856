"""Columns that hold a typed value as JSON: one reader and one writer for all of them.

    scope = JSONValueField(Targets)

The attribute is a `Targets`; the column holds its JSON, made by cattrs. A type may be a frozen
dataclass, an enumeration, an IP network, a UUID, a date and time, and a tuple or an optional of
these.

JSON of another type does not stop a row from loading: reading the attribute raises
UnreadableValueError, which names the row and the column. Code that does not need the value is
unaffected, and the log says what to repair.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, cast, get_origin, overload
from uuid import UUID

from cattrs.cols import homogenous_tuple_structure_factory
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.json import make_converter
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import BaseExpression, Expression
from django.db.models.fields.json import KeyTransform
from django.db.models.query_utils import DeferredAttribute

from portal.core.targets import IPNetwork

ValueT = TypeVar("ValueT")
StoredT = TypeVar("StoredT")

if TYPE_CHECKING:
    _Column = models.JSONField[StoredT, StoredT]
else:

    class _Column(models.JSONField):
        def __class_getitem__(cls, _types: object) -> type[models.JSONField]:
            return cls


MAX_CACHED_NETWORKS: Final = 4096
"""Rows are loaded repeatedly with the same networks, and parsing these is most of the cost."""

_converter: Final = make_converter(detailed_validation=False)


def _exactly(value: Any, wanted: type[ValueT]) -> ValueT:
    """Without this, cattrs converts the number 3 to the text "3", and a text to a tuple of
    letters.
    """
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is no {wanted.__name__}")
    return value


def _plain(value: Any, wanted: Any) -> Any:
    return wanted(value) if issubclass(wanted, Enum) else _exactly(value, wanted)


def _is_tuple(wanted: Any) -> bool:
    return get_origin(wanted) is tuple


def _tuple_of_list(wanted: Any) -> Callable[[Any, Any], Any]:
    read = homogenous_tuple_structure_factory(wanted, _converter)
    return lambda value, _: read(_exactly(value, list), wanted)


def _dataclass_of_dict(wanted: Any) -> Callable[[Any, Any], Any]:
    read = make_dict_structure_fn(wanted, _converter)
    return lambda value, _: read(_exactly(value, dict), wanted)


for _type in (str, int, bool):
    _converter.register_structure_hook(_type, _plain)
_converter.register_structure_hook_factory(_is_tuple, _tuple_of_list)
_converter.register_structure_hook_factory(is_dataclass, _dataclass_of_dict)
_converter.register_structure_hook(UUID, lambda text, _: UUID(_exactly(text, str)))
_network: Final = lru_cache(maxsize=MAX_CACHED_NETWORKS)(ipaddress.ip_network)
_converter.register_structure_hook(IPNetwork, lambda text, _: _network(_exactly(text, str)))
for _text in (UUID, ipaddress.IPv4Network, ipaddress.IPv6Network):
    _converter.register_unstructure_hook(_text, str)


def sparse(*, always: tuple[str, ...] = ()) -> Callable[[type[ValueT]], type[ValueT]]:
    """Class decorator: its JSON leaves out fields that have their default, except `always`."""

    def register(value_type: type[ValueT]) -> type[ValueT]:
        options: dict[str, Any] = {name: override(omit_if_default=False) for name in always}
        write = make_dict_unstructure_fn(
            value_type, _converter, _cattrs_omit_if_default=True, **options
        )
        _converter.register_unstructure_hook(value_type, write)
        return value_type

    return register


class UnreadableValueError(ValueError):
    """JSON that does not match the column's type: another release, or a person with a shell, wrote
    it.
    """


@dataclass(frozen=True, slots=True)
class _Stored:
    """JSON text as the database returned it. Most readers of a row never need the value."""

    text: str


class _Attribute(DeferredAttribute):
    """The attribute of a column: reads the stored JSON when it is first needed."""

    field: JSONValueField[Any]

    def __get__(self, instance: models.Model | None, owner: Any = None) -> Any:
        value = super().__get__(instance, owner)
        if instance is None or not isinstance(value, _Stored):
            return value
        try:
            value = self.field.read(value.text)
        except UnreadableValueError as error:
            column = f"{instance._meta.label} {instance.pk}, {self.field.column}"
            raise UnreadableValueError(f"{column}: {error}") from error
        instance.__dict__[self.field.attname] = value
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


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


def stored_json(row: models.Model, name: str) -> Any:
    """The JSON of a typed column, also if it does not match the type: for those who repair it."""
    value = row.__dict__[name]
    return json.loads(value.text) if isinstance(value, _Stored) else write_json(value)


class JSONValueField(_Column[StoredT], Generic[StoredT]):
    """A `JSONField` whose attribute has a Python type.

    Only the attribute of a row gives the value. `values` and `values_list` give the stored JSON in
    an object that is good only for writing it back, and for `value_of`.

    Migrations see a `JSONField`: a change of the type changes what the rows mean, so it needs a
    data migration instead of a schema migration.
    """

    descriptor_class = _Attribute

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
        if options.get("default") is tuple:
            options["default"] = list  # the same JSON
        return name, "django.db.models.JSONField", arguments, options

    def clone(self) -> Any:
        """A copy, for the state of migrations."""
        _name, _path, arguments, options = super().deconstruct()
        return type(self)(self.value_type, *arguments, **options)

    def from_db_value(
        self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper
    ) -> Any:
        if value is None or isinstance(expression, KeyTransform):
            return super().from_db_value(value, expression, connection)
        return _Stored(value)

    def value_of(self, stored: Any) -> StoredT:
        """The value of what `values` or `values_list` gave. Raises UnreadableValueError."""
        return cast(StoredT, self.read(stored.text) if isinstance(stored, _Stored) else stored)

    def read(self, text: str) -> Any:
        """The value of stored JSON text. Raises UnreadableValueError."""
        data = json.loads(text)
        return None if data is None and self.null else read_json(data, self.value_type)

    def to_python(self, value: Any) -> Any:
        """Read the JSON of forms and fixtures."""
        if value is None or not isinstance(value, (dict, list, str)):
            return value
        try:
            return read_json(value, self.value_type)
        except UnreadableValueError as error:
            raise ValidationError(str(error)) from error

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        super().validate(write_json(value), model_instance)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if isinstance(value, _Stored):  # from `values`, and written back unread
            return json.loads(value.text)
        return value if isinstance(value, BaseExpression) else write_json(value)

    def value_from_object(self, obj: models.Model) -> Any:
        """JSON, for forms and fixtures, also of a value that cannot be read."""
        try:
            return write_json(super().value_from_object(obj))
        except UnreadableValueError:
            return stored_json(obj, self.attname)
