"""Which mutations say nothing, and a sample of the others. Pure."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

Position = tuple[int, int]
Span = tuple[Position, Position]


def silent_spans(source: str) -> list[Span]:
    """Where a mutation changes nothing that runs: annotations, and the options of `@dataclass`."""
    spans: list[Span] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            spans.append(span(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            spans.append(span(node.returns))
        elif isinstance(node, ast.ClassDef):
            spans += [span(one) for one in node.decorator_list]
    return spans


def span(node: ast.expr) -> Span:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def is_silent(position: Position, spans: Iterable[Span]) -> bool:
    return any(start <= position < end for start, end in spans)


def sample(mutations: Sequence[T], size: int, seed: int) -> list[T]:
    """`size` of them, or all; the same for the same seed."""
    if size >= len(mutations):
        return list(mutations)
    return random.Random(seed).sample(mutations, size)
