"""Breaks the portal on purpose, in one way for each thing that must hold, and sees the simulation
say so: `python -m tests.simulation.mutations [WORDS OF A NAME…]` (docs/simulation.md).

A check that nothing can make fail proves nothing. The exit code is 0 if each mutation was noticed.
"""

from __future__ import annotations

import sys

from tests.simulation.start import start


def main() -> int:
    start("tests.simulation.mutations")
    from tests.simulation.mutations.table import CALM, MUTATIONS
    from tests.simulation.run import run_scenario

    if violations := run_scenario(CALM).violations:
        print(f"without a mutation: {violations}")
        return 1
    missed = 0
    for mutation in MUTATIONS:
        if not any(word in mutation.name for word in sys.argv[1:] or [""]):
            continue
        with mutation.applied():
            violations = run_scenario(mutation.scenario).violations
        found = next((one for one in violations if mutation.says in one), None)
        missed += found is None
        print(f"{mutation.name}\n  {found or f'not noticed: {violations}'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
