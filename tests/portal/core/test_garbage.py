from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from portal.core.garbage import collect_rarely


@pytest.fixture
def _garbage_as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("_garbage_as_before")
def test_loaded_modules_are_not_searched_again_and_later_cycles_are_found() -> None:
    loaded = len(gc.get_objects())
    collect_rarely()
    assert len(gc.get_objects()) < loaded / 10

    cycle: list[object] = []
    cycle.append(cycle)
    del cycle
    assert gc.collect() == 1
