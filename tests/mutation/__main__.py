"""python -m tests.mutation [--target NAME] [--sample N] [--seed S] [--python PATH]

Changes the modules of `targets.py` one small step at a time, runs the tests beside them, and lists
the changes that no test noticed, as diffs. It works in a copy of the tree, so the working tree does
not change. `scripts/mutate` prepares all of it.

The exit code is 0 if every mutant was killed or is explained in `equivalents.py`, 1 if some
survived, 2 if the tests fail without any mutation, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.mutation.equivalents import explanation
from tests.mutation.mutants import mutants_of
from tests.mutation.results import Counts, table
from tests.mutation.sample import sample
from tests.mutation.targets import TARGETS, Target
from tests.mutation.workshop import TestsFailed, Workshop

ROOT: Final = Path(__file__).parent.parent.parent


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description="Mutation testing.")
    names = [target.name for target in TARGETS]
    parser.add_argument(
        "--target", choices=names, action="append", help="one target; repeatable (all)"
    )
    parser.add_argument("--sample", type=int, default=40, help="mutants of each target (40)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another sample (1)")
    parser.add_argument("--python", default=sys.executable, help="the Python that runs the tests")
    given = parser.parse_args(arguments)
    os.nice(19)
    done: list[Counts] = []
    try:
        for target in TARGETS:
            if not given.target or target.name in given.target:
                test(target, given.sample, given.seed, given.python, done)
    except TestsFailed as failed:
        print(failed)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped.\n{table(done)}")
        return 130
    print(table(done))
    return 1 if any(one.survived for one in done) else 0


def test(target: Target, size: int, seed: int, python: str, done: list[Counts]) -> None:
    """Test a sample of the target's mutants; print each survivor, and count them in `done`."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="portal-mutation-") as folder,
        Workshop(ROOT, Path(folder), target, python) as workshop,
    ):
        mutants = mutants_of(workshop.modules(), workshop.tree)
        chosen = [
            mutant
            for mutant in sample(mutants, size, seed, place=lambda one: (one.path, one.start))
            if mutant.is_valid
        ]
        counts = Counts(target=target.name, mutants=len(mutants), sampled=len(chosen))
        done.append(counts)
        # Outside of functions a mutant costs a new process: those come last.
        for mutant in sorted(chosen, key=lambda one: one.function is None):
            if explanation(mutant.diff):
                counts.explained += 1
            elif workshop.kills(mutant):
                counts.killed += 1
            else:
                counts.survived += 1
                print(f"\n{target.name}: no test noticed\n{mutant.diff}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{counts.progress()} ", end="", file=sys.stderr, flush=True)
    print(f"{counts.progress()}, in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
