"""The code in numbers: modules, functions, arrows between packages, tests. Needs no portal."""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from local_stack.programs import ROOT
from tests.bench.report import say, table

SOURCES: Final = ("dots_client/", "dots_server/", "local_stack/", "portal/", "provider_simulator/")
LONG_FUNCTION: Final = 40
LONG_MODULE: Final = 400


def main(arguments: Sequence[str]) -> None:
    options = argparse.ArgumentParser(prog="scripts/bench tree", description=__doc__)
    options.add_argument("revisions", nargs="*", default=["HEAD"], help="of git; HEAD if none")
    revisions: list[str] = options.parse_args(arguments).revisions
    counted = [counts(_files(revision)) for revision in revisions]
    table(("", *revisions), [(name, *(one[name] for one in counted)) for name in counted[0]])
    say()


@dataclass(frozen=True)
class Module:
    path: str
    lines: int
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def counts(files: Mapping[str, str]) -> dict[str, str]:
    """The numbers of one revision. `files`: the text of each Python file, by path."""
    modules = [
        Module(path, text.count("\n"), ast.parse(text))
        for path, text in files.items()
        if path.startswith(SOURCES) and "/migrations/" not in path and text.strip()
    ]
    tests = {path: text for path, text in files.items() if path.startswith("tests/")}
    longest = max(modules, key=lambda one: one.lines)
    functions = [_length(one) for module in modules for one in _functions(module.tree)]
    arrows = {module.name: set(_imports(module, modules)) for module in modules}
    source_lines = sum(one.lines for one in modules)
    test_lines = sum(text.count("\n") for text in tests.values())
    return {
        "modules": f"{len(modules):,}",
        "lines of a module, median": f"{median(one.lines for one in modules):.0f}",
        "the longest module": f"{longest.lines}, `{longest.path}`",
        f"functions over {LONG_FUNCTION} lines": str(sum(one > LONG_FUNCTION for one in functions)),
        "imports from a lower layer of the portal to a higher one": str(len(list(_up(arrows)))),
        "circles of imports": str(len(_circles(arrows))),
        "lines of source": f"{source_lines:,}",
        f"modules of tests over {LONG_MODULE} lines": str(
            sum(text.count("\n") > LONG_MODULE for text in tests.values())
        ),
        "lines of tests to lines of source": f"{test_lines / source_lines:.2f}",
    }


def _files(revision: str) -> dict[str, str]:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    paths = git("ls-tree", "-r", "--name-only", revision).splitlines()
    return {path: git("show", f"{revision}:{path}") for path in paths if path.endswith(".py")}


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _imports(module: Module, modules: Sequence[Module]) -> Iterator[str]:
    """The modules that this one imports when it is loaded."""
    known = {one.name for one in modules}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                yield name if name in known else node.module


def _up(arrows: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    layers = _layers()
    for source, targets in arrows.items():
        for target in targets:
            above, below = layers.get(_package(target)), layers.get(_package(source))
            if above is not None and below is not None and above < below:
                yield source, target


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _layers() -> dict[str, int]:
    """The layer of each package of the portal, from the top, as import-linter checks it."""
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in checked["contracts"] if one["name"] == "portal layers")
    return {
        package: number
        for number, layer in enumerate(layers)
        for package in re.split(r"\s*\|\s*", layer)
    }


def _circles(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """The groups of modules that reach each other."""
    reached = {module: _reached(module, arrows) for module in arrows}
    circles: list[set[str]] = []
    for module, those in reached.items():
        group = {other for other in those if module in reached.get(other, ())}
        if module in those and group not in circles:
            circles.append(group)
    return circles


def _reached(module: str, arrows: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(arrows[module])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += arrows.get(one, ())
    return found
