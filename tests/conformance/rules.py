"""The rules of RFC 9132, the tests that show them, and the reasons why some have none."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from tests.parsed import parsed

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parent.parent
RULES: Final = FOLDER / "rules.csv"
EXCEPTIONS: Final = FOLDER / "exceptions.csv"


class Kind(Enum):
    """Why no test shows a rule."""

    NOT_APPLICABLE = "does not apply"
    NOT_YET = "not yet"
    DECIDED_OTHERWISE = "decided otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    level: str
    section: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shown:
    """One test function that carries `@pytest.mark.rule(id)`."""

    path: str
    name: str
    line: int


class RulesError(Exception):
    """The tables contradict themselves or the tests."""


def rules() -> dict[str, Rule]:
    listed: dict[str, Rule] = {}
    for row in _rows(RULES):
        if row["id"] in listed:
            raise RulesError(f"{RULES.name} has {row['id']} twice")
        listed[row["id"]] = Rule(**row)
    return listed


def exemptions() -> dict[str, Exemption]:
    listed: dict[str, Exemption] = {}
    for row in _rows(EXCEPTIONS):
        if row["id"] in listed:
            raise RulesError(f"{EXCEPTIONS.name} has {row['id']} twice")
        if not row["reason"]:
            raise RulesError(f"{EXCEPTIONS.name} has no reason for {row['id']}")
        listed[row["id"]] = Exemption(kind=Kind(row["kind"]), reason=row["reason"])
    return listed


def shown_in(tests: Path) -> dict[str, list[Shown]]:
    """The tests below `tests` that show each rule, by rule id."""
    found: dict[str, set[Shown]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        for function in functions_of(path):
            for rule_id in _rule_ids(function):
                shown = Shown(
                    path=path.relative_to(tests.parent).as_posix(),
                    name=function.name,
                    line=function.lineno,
                )
                found.setdefault(rule_id, set()).add(shown)
    return {rule_id: sorted(tests_of_it) for rule_id, tests_of_it in found.items()}


def contradictions(
    listed: Mapping[str, Rule],
    exempt: Mapping[str, Exemption],
    shown: Mapping[str, list[Shown]],
) -> list[str]:
    """Every contradiction as a sentence; empty if every rule has a test or a reason."""
    wrong = [
        f"{rule_id} has neither a test nor a reason in {EXCEPTIONS.name}"
        for rule_id in sorted(listed.keys() - shown.keys() - exempt.keys())
    ]
    for rule_id in sorted(shown.keys() - listed.keys()):
        wrong.append(f"{rule_id} is no rule, and {shown[rule_id][0].name} shows it")
    for rule_id in sorted(exempt.keys() - listed.keys()):
        wrong.append(f"{rule_id} is no rule, and {EXCEPTIONS.name} has it")
    for rule_id in sorted(exempt.keys() & shown.keys()):
        wrong.append(f"{rule_id} is shown by a test: remove it from {EXCEPTIONS.name}")
    return wrong


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The tests in a file, found without running it."""
    for node in parsed(path.read_text(), str(path)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            yield node


def _rule_ids(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rule":
            for argument in decorator.args:
                yield str(ast.literal_eval(argument))
