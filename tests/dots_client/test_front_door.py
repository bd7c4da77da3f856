from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import dots_client
from dots_client import codec, rules, session


def public_things() -> Iterator[tuple[str, object]]:
    packages: tuple[ModuleType, ...] = (dots_client, codec, rules, session)
    for package in packages:
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{package.__name__}.{name}", thing


@pytest.mark.parametrize(
    ("name", "thing"), [pytest.param(*one, id=one[0]) for one in public_things()]
)
def test_every_public_name_has_a_docstring(name: str, thing: object) -> None:
    words = thing.__doc__

    # A dataclass without a docstring gets its signature as one.
    assert words
    assert not words.startswith(f"{name.rpartition('.')[2]}(")


def test_the_front_door_lists_each_name_once() -> None:
    assert len(set(dots_client.__all__)) == len(dots_client.__all__)
