"""The mutants of a module, as cosmic-ray makes them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutation.sample import (
    Position,
    constants,
    functions,
    is_within,
    operations,
    silent_spans,
    word_comparisons,
)

BINARY: Final = "core/ReplaceBinaryOperator_"
COMPARISON: Final = "core/ReplaceComparisonOperator_"
IDENTITIES: Final = tuple(
    f"{COMPARISON}{pair}" for pair in ("Eq_Is", "Is_Eq", "NotEq_IsNot", "IsNot_NotEq")
)
"""Mutations of how a value is compared, not of what is decided."""
ORDERS: Final = tuple(
    f"{COMPARISON}{equality}_{order}"
    for equality in ("Eq", "NotEq", "Is", "IsNot")
    for order in ("Lt", "LtE", "Gt", "GtE")
)
"""Replacements of an equality by an order, which numbers and times have, and words do not."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change to one module."""

    path: Path
    "relative to the tree"
    operator: str
    occurrence: int
    start: Position
    source: str
    "the module without the change"
    function: int | None
    "the line where the code of the innermost function around it begins; None outside of functions"
    is_in_constant: bool

    @cached_property
    def mutated(self) -> str:
        """The source with the change."""
        changed = mutate_code(self.source, get_operator(self.operator)(), self.occurrence)
        assert isinstance(changed, str)
        return changed

    @property
    def is_valid(self) -> bool:
        """Whether it is valid Python: `if not one := two` is not."""
        try:
            compile(self.mutated, str(self.path), "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return True

    @property
    def diff(self) -> str:
        before, after = self.source.splitlines(), self.mutated.splitlines()
        lines = difflib.unified_diff(
            before, after, f"a/{self.path}", f"b/{self.path}", lineterm="", n=2
        )
        return "\n".join(lines)


def mutants_of(modules: Iterable[Path], tree: Path) -> list[Mutant]:
    """Each mutant that changes what runs, in the order of the text of its module."""
    return [mutant for module in modules for mutant in _mutants(module, tree)]


def _mutants(module: Path, tree: Path) -> list[Mutant]:
    source = (tree / module).read_text()
    parsed = get_ast(source)
    says_something = meaningful(source)
    bodies, assignments = functions(source), constants(source)
    found = []
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or name in IDENTITIES:
            continue
        positions = (
            start for node in ast_nodes(parsed) for start, _ in operator().mutation_positions(node)
        )
        found += [
            (start, name, occurrence)
            for occurrence, start in enumerate(positions)
            if says_something(name, start)
        ]
    return [
        Mutant(
            path=module,
            operator=name,
            occurrence=occurrence,
            start=start,
            source=source,
            function=max((line for body, line in bodies if is_within(start, [body])), default=None),
            is_in_constant=is_within(start, assignments),
        )
        for start, name, occurrence in sorted(found)
    ]


def meaningful(source: str) -> Callable[[str, Position], bool]:
    """Whether an operator of cosmic-ray, at a position, changes what runs."""
    silent, words, binary = silent_spans(source), word_comparisons(source), operations(source)

    def says_something(operator: str, start: Position) -> bool:
        if operator in ORDERS and is_within(start, words):
            return False
        if operator.startswith(BINARY) and not is_within(start, binary):
            return False
        return not is_within(start, silent)

    return says_something
