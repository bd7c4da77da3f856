"""python -m tests.integration.faults --runs 500 --seed 1

Runs scenarios against real processes, and reports for each whether everything was correct 15 s
after its last fault. A failure prints the scenario; the same seed reproduces it, and --script runs
one from a file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.bench.report import machine, say, table
from tests.integration.faults.scenario import Scenario, from_seed, parse, single_faults
from tests.integration.faults.world import world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="seeds to run")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument(
        "--single", action="store_true", help="each fault alone at each step, instead of seeds"
    )
    parser.add_argument("--only", default="", help="with --single: those whose name contains this")
    parser.add_argument("--script", type=Path, help="one scenario from a file")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after so long"
    )
    parser.add_argument("--directory", type=Path, help="keep the logs there")
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first failure")
    options = parser.parse_args()
    began = time.monotonic()
    runs: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    names: list[str] = []
    with world(options.directory) as there:
        for scenario in _scenarios(options):
            if time.monotonic() - began > 60 * options.minutes:
                break
            run_began = time.monotonic()
            problems = there.run(scenario)
            took_s = time.monotonic() - run_began
            kinds = {f"{kind} {victim}" for kind, victim in scenario.faults}
            runs.update(kinds)
            say(
                f"{'FAILED' if problems else 'ok':<7}{scenario.name:<34}{took_s:6.1f} s  "
                f"{', '.join(sorted(kinds))}"
            )
            if problems:
                failed.update(kinds)
                names.append(scenario.name)
                say(
                    "\n".join(
                        (
                            "  " + str(scenario).replace("\n", "\n  "),
                            *(f"  ! {one}" for one in problems),
                        )
                    )
                )
                if not options.keep_going:
                    break
    say()
    say(f"{machine()}; {time.monotonic() - began:.0f} s; failed: {', '.join(names) or 'none'}")
    table(
        ("fault", "runs with it", "of these failed"),
        [(kind, str(count), str(failed[kind])) for kind, count in sorted(runs.items())],
    )
    return bool(names)


def _scenarios(options: argparse.Namespace) -> Iterator[Scenario]:
    if options.script:
        yield parse(options.script.name, options.script.read_text().splitlines())
    elif options.single:
        yield from (one for one in single_faults() if options.only in one.name)
    else:
        yield from map(from_seed, range(options.seed, options.seed + options.runs))


if __name__ == "__main__":
    sys.exit(main())
