from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.sample import (
    Position,
    constants,
    functions,
    is_within,
    operations,
    sample,
    silent_spans,
    word_comparisons,
)
from tests.mutation.targets import TARGETS, Target

ROOT = Path(__file__).parent.parent.parent

SOURCE = """\
@dataclass(frozen=True)
class Limit:
    most: int | None = 3

def within(limit: Limit | None, count: int) -> bool | None:
    return count < 5

Times: TypeAlias = tuple[int | None, int]
"""


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((1, 18), True),
        ((3, 14), True),
        ((5, 24), True),
        ((5, 53), True),
        ((3, 23), False),
        ((6, 17), False),
        ((8, 30), True),
    ],
)
def test_annotations_and_options_of_dataclasses_are_not_mutated(
    position: tuple[int, int], expected: bool
) -> None:
    assert is_within(position, silent_spans(SOURCE)) is expected


DECISIONS = """\
LIMITS = {*OTHERS, 3 | 4}

@cached
def outer(limit=2, *, status):
    def inner():
        return status == Status.PENDING
    return limit != 2
"""


def at(text: str) -> Position:
    """Where it begins in DECISIONS."""
    line, row = next((n, row) for n, row in enumerate(DECISIONS.splitlines(), 1) if text in row)
    return line, row.index(text)


def test_only_binary_operators_are_operations() -> None:
    spans = operations(DECISIONS)

    assert is_within(at("| 4"), spans)
    assert not is_within(at("*OTHERS"), spans)
    assert not is_within(at("*, status"), spans)


def test_only_members_of_enums_are_compared_as_words() -> None:
    assert is_within(at("== Status"), word_comparisons(DECISIONS))
    assert not is_within(at("!= 2"), word_comparisons(DECISIONS))


def test_a_change_belongs_to_the_innermost_function_or_to_none() -> None:
    def around(text: str) -> list[int]:
        return [line for body, line in functions(DECISIONS) if is_within(at(text), [body])]

    assert around("== Status") == [3, 5]
    assert around("!= 2") == [3]
    assert around("2, *") == around("| 4") == []
    assert is_within(at("| 4"), constants(DECISIONS))
    assert not is_within(at("2, *"), constants(DECISIONS))


def test_the_same_seed_takes_the_same_sample_of_different_places() -> None:
    every = list(range(100))

    first, again, other = (sample(every, 10, seed, lambda one: one // 10) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert [one // 10 for one in first] == list(range(10))


def test_a_sample_larger_than_all_is_all() -> None:
    assert sample([1, 2], 10, 1, lambda _: "here") == [1, 2]


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_the_modules_and_tests_of_each_target_exist(target: Target) -> None:
    assert [one for one in (*target.modules, *target.tests) if not (ROOT / one).exists()] == []
