from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.sample import is_silent, sample, silent_spans
from tests.mutation.targets import TARGETS, Target

ROOT = Path(__file__).parent.parent.parent

SOURCE = """\
@dataclass(frozen=True)
class Limit:
    most: int | None = 3

def within(limit: Limit | None, count: int) -> bool | None:
    return count < 5
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
    ],
)
def test_annotations_and_options_of_dataclasses_are_not_mutated(
    position: tuple[int, int], expected: bool
) -> None:
    assert is_silent(position, silent_spans(SOURCE)) is expected


def test_the_same_seed_takes_the_same_sample() -> None:
    every = list(range(100))

    first, again, other = sample(every, 10, 1), sample(every, 10, 1), sample(every, 10, 2)

    assert first == again
    assert first != other
    assert len(set(first)) == 10


def test_a_sample_larger_than_the_population_is_the_population() -> None:
    assert sample([1, 2], 10, 1) == [1, 2]


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_the_modules_and_tests_of_each_target_exist(target: Target) -> None:
    assert [one for one in (*target.modules, *target.tests) if not (ROOT / one).exists()] == []
