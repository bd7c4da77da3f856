from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from portal.core.garbage import YOUNG_EVERY, collect_rarely


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


def test_the_web_process_imports_its_routes_before_it_collects_rarely() -> None:
    says = (
        "import gc, sys, portal.asgi;"
        "print('portal.api.requests' in sys.modules);"
        "print(gc.get_freeze_count() > 0, gc.get_threshold()[0])"
    )

    ran = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["True", "True", str(YOUNG_EVERY)]
