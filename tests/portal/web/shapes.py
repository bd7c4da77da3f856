"""The attributes that a template can read of a value, by its type."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

Kind = Any
"""A type, as annotations have it; `Any` where it is not known."""


class MissingAttributeError(LookupError):
    """No value of this type has this attribute, index or key."""


def at(kind: Kind, path: str) -> Kind:
    """The type behind `path` as templates write it: "provider.name", "0.words"."""
    for name in filter(None, path.split(".")):
        kind = _step(kind, name)
    return kind


def element(kind: Kind) -> Kind:
    """What a loop over it gives."""
    kind = _only(kind)
    origin, arguments = _origin(kind), get_args(kind)
    if origin is tuple:
        return arguments[0] if arguments[1:] == (...,) else Any
    if origin is None or len(arguments) != 1:
        return Any
    return arguments[0]


def unpacked(kind: Kind, count: int) -> list[Kind]:
    """For several loop variables."""
    if count == 1:
        return [kind]
    arguments = get_args(kind)
    return list(arguments) if _origin(kind) is tuple and len(arguments) == count else [Any] * count


def _origin(kind: Kind) -> object:
    return get_origin(kind)


def _only(kind: Kind) -> Kind:
    """The type without None; `Any` for several types."""
    if _origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else Any
    return kind


def _step(kind: Kind, name: str) -> Kind:
    kind = _only(kind)
    origin = _origin(kind)
    if origin is ClassVar:
        return _step(get_args(kind)[0], name)
    if origin in (list, tuple) and name.isdigit():
        arguments = get_args(kind)
        is_pair = origin is tuple and arguments[1:] != (...,)
        return arguments[int(name)] if is_pair else arguments[0]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Any if hasattr(origin, name) else get_args(kind)[1]
    return _attribute(kind, name) if isinstance(kind, type) and kind is not Any else Any


def _attribute(owner: type, name: str) -> Kind:
    try:
        hints = get_type_hints(owner)
    except NameError:
        hints = {}
    if name in hints:
        return hints[name]
    if issubclass(owner, Model):
        try:
            return owner._meta.get_field(name).related_model or Any
        except FieldDoesNotExist:
            pass
    try:
        found = inspect.getattr_static(owner, name)
    except AttributeError:
        raise MissingAttributeError(f"{owner.__name__}.{name}") from None
    match found:
        case property():
            return _returned(found.fget)
        case cached_property():
            return _returned(found.func)
        case _:
            return _returned(found) if inspect.isfunction(found) else Any


def _returned(function: Any) -> Kind:
    try:
        return get_type_hints(function).get("return", Any)
    except NameError:
        return Any
