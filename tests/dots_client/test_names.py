"""Each name means one thing in the package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import dots_client
from tests.parsed import parsed

PACKAGE = Path(dots_client.__file__).parent
IN_EVERY_MODULE = {"log"}
"""The logger of the module."""


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not path.stem.startswith("__")]


def defined_in(path: Path) -> Iterator[str]:
    for node in parsed(path.read_text()).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_no_two_modules_define_the_same_public_name() -> None:
    homes = defaultdict(set)
    for path in modules():
        for name in defined_in(path):
            if not name.startswith("_") and name not in IN_EVERY_MODULE:
                homes[name].add(path.relative_to(PACKAGE).as_posix())

    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_no_two_modules_have_the_same_file_name() -> None:
    folders = defaultdict(set)
    for path in modules():
        folders[path.name].add(path.parent.relative_to(PACKAGE).as_posix())

    assert {name: found for name, found in folders.items() if len(found) > 1} == {}
