"""Every public name of `dots_client` has a user: another source, the front door, or the tutorial.

Tests do not count: code that only tests run proves nothing about the product.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dots_client
from tests.parsed import parsed

ROOT = Path(__file__).parents[2]
SOURCES = ("dots_client", "dots_server", "provider_simulator", "portal", "local_stack", "scripts")
FRONT_DOORS = ("dots_client", "dots_client.rules", "dots_client.credentials", "dots_client.server")
"""The names in their `__all__` are for others. The methods of those classes still need a user."""
CALLED_BY_LIBRARIES = {
    "recognize_remote": "aiocoap's MessageManager calls it, and its interface does not declare it",
    "render_to_pipe": "aiocoap's Context calls it",
}


@dataclass(frozen=True)
class Source:
    """One file, or one piece of code in the tutorial, that may use `dots_client`."""

    tree: ast.Module
    module: str = ""
    "its name, for a module of `dots_client`"

    def uses(self, name: str) -> int:
        return read_names(self.tree)[name] if self.knows_the_client() else 0

    def knows_the_client(self) -> bool:
        return bool(self.module) or any(
            name.partition(".")[0] == "dots_client" for name in imported(self.tree)
        )


@cache
def sources() -> tuple[Source, ...]:
    return tuple(_parsed())


def _parsed() -> Iterator[Source]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            text = path.read_text()
            if folder == "dots_client":
                yield Source(parsed(text, str(path)), name)
            elif "dots_client" in text:
                yield Source(parsed(text, str(path)))
    tutorial = (ROOT / "docs" / "client.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", tutorial, re.DOTALL):
        yield Source(parsed(code))
    for word in re.findall(r"`([A-Z]\w+\.\w+)(?:\(\))?`", tutorial):
        yield Source(parsed(word), "docs.client")


@cache
def read_names(tree: ast.AST) -> Counter[str]:
    """How often each name is read, as `name` or `.name`. Imports and assignments do not count."""
    return Counter(
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


@cache
def imported(tree: ast.Module) -> frozenset[str]:
    """Each imported module, and each imported name with its module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def module_names() -> list[str]:
    return [
        found.name
        for found in pkgutil.walk_packages(dots_client.__path__, "dots_client.")
        if not found.ispkg and not found.name.endswith("__main__")
    ]


@dataclass(frozen=True)
class Definition:
    module: str
    name: str
    owner: str = ""
    "the class, for a member"
    code: ast.AST | None = None
    "its own code, which does not count as a user"

    def __str__(self) -> str:
        return ".".join(part for part in (self.module, self.owner, self.name) if part)

    def used_in(self, source: Source) -> int:
        own = read_names(self.code)[self.name] if self.code and source.module == self.module else 0
        if self.owner or source.module == self.module or self._is_imported_by(source):
            return source.uses(self.name) - own
        return 0

    def _is_imported_by(self, source: Source) -> bool:
        """Whether the source imports the name from any of our modules, or imports its module."""
        return any(
            name.startswith("dots_client")
            and (name.endswith(f".{self.name}") or name == self.module)
            for name in imported(source.tree)
        )


def definitions() -> Iterator[Definition]:
    for module_name in module_names():
        file = importlib.import_module(module_name).__file__
        assert file is not None
        for node in parsed(Path(file).read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield Definition(module_name, node.name, code=node)
            if isinstance(node, ast.ClassDef):
                yield from members(module_name, node)
            for name in assigned(node):
                yield Definition(module_name, name)


def members(module_name: str, class_tree: ast.ClassDef) -> Iterator[Definition]:
    owner = getattr(importlib.import_module(module_name), class_tree.name)
    assert inspect.isclass(owner)
    for node in class_tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not overrides(owner, node.name):
            yield Definition(module_name, node.name, class_tree.name, node)
        for attribute in attributes_set_in(node):
            yield Definition(module_name, attribute, class_tree.name)


def overrides(owner: type, member: str) -> bool:
    """Whether a library (aiocoap, asyncio) calls it through the class it overrides."""
    return any(
        member in vars(base) and not base.__module__.startswith("dots_client")
        for base in owner.__mro__[1:]
    )


def attributes_set_in(method: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(method)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value) == "self"
    }


def assigned(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_every_public_name_has_a_user_outside_the_tests() -> None:
    users = sources()
    offered = {
        name
        for door in FRONT_DOORS
        if importlib.util.find_spec(door)
        for name in importlib.import_module(door).__all__
    }

    unused = [
        str(one)
        for one in definitions()
        if not one.name.startswith("_")
        and one.name not in offered | CALLED_BY_LIBRARIES.keys()
        and not any(one.used_in(source) > 0 for source in users)
    ]

    assert unused == []


def test_every_module_is_imported_outside_the_tests() -> None:
    everything = frozenset[str]().union(*(imported(source.tree) for source in sources()))

    assert [name for name in module_names() if name not in everything] == []
