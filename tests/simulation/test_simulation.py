"""A few seconds of simulated lives; `docs/simulation.md` says how to repeat one that fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.scenario import scenario_of
from tests.simulation.undone.fixes import FIXES, Fix

pytestmark = pytest.mark.exhaustive

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 15
"""Of lives. Imports and migrations come on top."""


@pytest.mark.timeout(300)  # for a busy machine: half a minute otherwise
def test_every_life_keeps_the_invariants_and_a_seed_repeats_its_life() -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.simulation", "--digest"),
            *("--seconds", str(SECONDS), "--repeat", "1"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\n0 lives" not in f"\n{ran.stdout}"


def test_other_seeds_give_other_scenarios() -> None:
    scenarios = {repr(scenario_of(seed, requests=6)) for seed in range(50)}

    assert len(scenarios) == 50


@pytest.mark.timeout(300)
def test_each_check_notices_a_mutation_of_the_portal() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutations"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.name)
def test_each_fix_can_still_be_undone(fix: Fix, tmp_path: Path) -> None:
    copied = tmp_path / fix.path
    copied.parent.mkdir(parents=True)
    shutil.copy(ROOT / fix.path, copied)

    fix.undo(tmp_path)

    assert copied.read_text() == (ROOT / fix.path).read_text().replace(fix.now, fix.undone)
