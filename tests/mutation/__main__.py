"""python -m tests.mutation [--only NAME] [--sample N] [--seed N] [--python PATH]

Changes the modules of `targets.py` one small step at a time, runs the tests beside them, and lists
the changes that no test noticed. It works in a copy of the tree, so the working tree does not
change. `scripts/mutate` prepares all of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

from tests.mutation.sample import is_silent, sample, silent_spans
from tests.mutation.targets import TARGETS, Target

ROOT: Final = Path(__file__).parent.parent.parent
TIMEOUT_S: Final = 300
"""For the tests of one mutant; one that takes longer counts as killed."""
COSMIC_RAY: Final = str(Path(sys.executable).with_name("cosmic-ray"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description="Mutation testing.")
    names = [target.name for target in TARGETS]
    parser.add_argument("--only", choices=names, action="append", help="one target; repeatable")
    parser.add_argument("--sample", type=int, default=20, help="mutants of each target (20)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another sample")
    parser.add_argument("--python", default=sys.executable, help="the Python that runs the tests")
    given = parser.parse_args(arguments)
    survived = 0
    for target in TARGETS:
        if not given.only or target.name in given.only:
            survived += run(target, given.sample, given.seed, given.python)
    return 1 if survived else 0


def run(target: Target, size: int, seed: int, python: str) -> int:
    """Prints what became of a sample of the target's mutants; returns how many survived."""
    with tempfile.TemporaryDirectory(prefix="portal-mutation-") as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        config, session = Path(folder) / "config.toml", Path(folder) / "session.sqlite"
        config.write_text(configuration(target, python))
        command = [COSMIC_RAY, "init", str(config), str(session)]
        subprocess.run(command, cwd=tree, check=True)
        with use_db(str(session), WorkDB.Mode.open) as database:
            every = choose(database, tree, size, seed)
        subprocess.run([COSMIC_RAY, "baseline", str(config)], cwd=tree, check=True)
        subprocess.run([COSMIC_RAY, "exec", str(config), str(session)], cwd=tree, check=True)
        with use_db(str(session), WorkDB.Mode.open) as database:
            return report(target, database, every)


def copy_tree(to: Path) -> None:
    """What git knows and what is new, as it stands."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def configuration(target: Target, python: str) -> str:
    options = "-x -q -p no:cacheprovider -p no:randomly"
    command = f"{python} -m pytest {options} {' '.join(target.tests)}"
    if target.has_database:
        command = f"{command} --reuse-db"
    modules = ", ".join(f'"{one}"' for one in target.modules)
    return (
        "[cosmic-ray]\n"
        f"module-path = [{modules}]\n"
        f"timeout = {TIMEOUT_S}\n"
        "excluded-modules = []\n"
        f'test-command = "{command}"\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )


def choose(database: WorkDB, tree: Path, size: int, seed: int) -> int:
    """Leaves a sample to be tested; returns the number of mutants that it was taken from."""
    spans = {}
    speaking = []
    items = list(database.work_items)
    for item in items:
        [mutation] = item.mutations
        path = str(mutation.module_path)
        if path not in spans:
            spans[path] = silent_spans((tree / path).read_text())
        if not is_silent(mutation.start_pos, spans[path]):
            speaking.append(item)
    chosen = {item.job_id for item in sample(speaking, size, seed)}
    for item in items:
        if item.job_id not in chosen:
            database.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    return len(speaking)


def report(target: Target, database: WorkDB, every: int) -> int:
    results = [
        (job_id, result)
        for job_id, result in database.results
        if result.worker_outcome != WorkerOutcome.SKIPPED
    ]
    survivors = [result for _, result in results if result.test_outcome == TestOutcome.SURVIVED]
    killed = len(results) - len(survivors)
    print(f"{target.name}: {killed} of {len(results)} mutants killed ({every} in all)")
    for result in survivors:
        print(result.diff)
    return len(survivors)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main(sys.argv[1:]))
