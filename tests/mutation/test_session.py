from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation.session import exchange_constants, exchange_functions, in_child

SOURCE = """\
from __future__ import annotations
import functools

MOST: Final = 3
TWICE = MOST * 2

class Limit:
    @functools.cache
    def allows(self, count: int) -> bool:
        return any(one < MOST for one in [count])

def within(count: int) -> bool:
    def decide() -> bool:
        return count < MOST
    return decide()
"""


@pytest.fixture
def limits(tmp_path: Path) -> Iterator[ModuleType]:
    path = tmp_path / "limits.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("limits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["limits"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["limits"]


@pytest.mark.parametrize(
    ("before", "after", "within", "allows"),
    [
        ("count < MOST", "count >= MOST", False, True),
        ("one < MOST", "one >= MOST", True, False),
    ],
)
def test_changed_functions_run_their_new_code(
    limits: ModuleType, before: str, after: str, within: bool, allows: bool
) -> None:
    exchange_functions(str(limits.__file__), SOURCE, SOURCE.replace(before, after))

    assert (limits.within(1), limits.Limit().allows(1)) == (within, allows)


def test_a_change_that_reaches_no_function_is_an_error(limits: ModuleType) -> None:
    with pytest.raises(LookupError):
        exchange_functions(str(limits.__file__), SOURCE, SOURCE.replace("= 3", "= 4"))


def test_changed_constants_are_seen_by_functions_importers_and_later_constants(
    limits: ModuleType,
) -> None:
    importer = ModuleType("importer")
    vars(importer)["TWICE"] = limits.TWICE
    sys.modules["importer"] = importer

    exchange_constants(str(limits.__file__), SOURCE, SOURCE.replace("= 3", "= 4"))

    del sys.modules["importer"]
    assert limits.within(3)
    assert (limits.TWICE, vars(importer)["TWICE"]) == (8, 8)


def test_constants_that_cannot_be_made_are_an_error_of_the_import(limits: ModuleType) -> None:
    with pytest.raises(ImportError):
        exchange_constants(str(limits.__file__), SOURCE, SOURCE.replace("* 2", "@ 2"))


def test_a_fork_that_takes_too_much_time_has_no_answer() -> None:
    def forever() -> dict[str, object]:
        while True:
            pass

    assert in_child(lambda: {"failed": None}, cpu_s=60) == {"failed": None}
    assert in_child(forever, cpu_s=1) is None


def test_a_fork_that_fails_is_no_killed_mutant() -> None:
    with pytest.raises(RuntimeError):
        in_child(lambda: {"failed": 1 / 0}, cpu_s=60)
