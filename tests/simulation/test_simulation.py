"""Half a minute of simulated lives; `docs/simulation.md` says how to repeat one that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.simulation.scenario import scenario_of

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 15.0
"""Of lives; tables, imports and the repeated seeds take as long again on a busy machine."""
REPEATED: Final = 2
"""Seeds that are run twice."""
REQUESTS: Final = 6


def _simulate(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_what_must_hold_holds_in_every_life() -> None:
    told = _simulate("--seed", "1", "--seconds", str(SECONDS))

    assert not told.startswith("0 lives")


def test_the_same_seed_gives_the_same_life() -> None:
    lives = str(REPEATED * REQUESTS)
    first, second = (
        _simulate("--seed", "7", "--lives", lives, "--digest").splitlines()[:REPEATED]
        for _ in range(2)
    )

    assert first == second


def test_other_seeds_give_other_scenarios() -> None:
    scenarios = {repr(scenario_of(seed, requests=REQUESTS)) for seed in range(50)}

    assert len(scenarios) == 50
