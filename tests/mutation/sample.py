"""Which mutations are useful, and a sample of those. Pure functions."""

from __future__ import annotations

import ast
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")

Position = tuple[int, int]
Span = tuple[Position, Position]


def silent_spans(source: str) -> list[Span]:
    """Source spans where a mutation changes nothing that runs: annotations, type aliases, and the
    options of `@dataclass`.
    """
    spans: list[Span] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            spans.append(span(node.annotation))
            if isinstance(node, ast.AnnAssign) and node.value and is_alias(node.annotation):
                spans.append(span(node.value))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            spans.append(span(node.returns))
        elif isinstance(node, ast.ClassDef):
            spans += [span(one) for one in node.decorator_list]
    return spans


def word_comparisons(source: str) -> list[Span]:
    """Where `==` or `!=` compares with a member of an enum, such as `status == Status.PENDING`.

    No code would compare the order of words there.
    """
    return [
        (span(left)[1], span(right)[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        for left, right in pairwise([node.left, *node.comparators])
        if is_member(left) or is_member(right)
    ]


def operations(source: str) -> list[Span]:
    """Where a binary operator is really one: the `*` of an unpacking or a signature is not."""
    return [
        (span(node.left)[1], span(node.right)[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.BinOp)
    ]


def functions(source: str) -> list[tuple[Span, int]]:
    """The bodies of functions, the outer ones first, each with the line where its code begins."""
    return [
        (
            (span(node.body[0])[0], span(node.body[-1])[1]),
            min(one.lineno for one in (node, *node.decorator_list)),
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def constants(source: str) -> list[Span]:
    """The assignments of a module."""
    return [
        span(statement)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
    ]


def is_member(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr.isupper()


def is_alias(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == "TypeAlias"


def span(node: ast.expr | ast.stmt) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def is_within(position: Position, spans: Iterable[Span]) -> bool:
    return any(start <= position < end for start, end in spans)


def sample(mutations: Sequence[T], size: int, seed: int, place: Callable[[T], Any]) -> list[T]:
    """`size` of them, or all, in their order; the same for the same seed.

    A second one of a place is taken when each place has one: an operator has many replacements, and
    a test that notices one of them notices most.
    """
    randomness = random.Random(seed)
    rounds: list[tuple[int, float, int]] = []
    seen: Counter[Any] = Counter()
    for index in randomness.sample(range(len(mutations)), len(mutations)):
        here = place(mutations[index])
        rounds.append((seen[here], randomness.random(), index))
        seen[here] += 1
    return [mutations[index] for index in sorted(index for *_, index in sorted(rounds)[:size])]
