"""Runs lives: `python -m tests.simulation --lives 1000 --seed 1` (docs/simulation.md)."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from itertools import count

REQUESTS: int = 6
"""Of one seed."""


def main() -> int:
    arguments = _arguments()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of text have another order in each process otherwise.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.simulation.settings"

    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = _ignore
    logging.getLogger().handlers.clear()

    from tests.simulation.database import make_tables
    from tests.simulation.life import Outcome, run_life

    make_tables()
    began = time.monotonic()
    lives = failed = 0
    for seed in _seeds(arguments, began):
        outcome: Outcome = run_life(seed, requests=arguments.requests)
        lives += outcome.requests
        violations = list(dict.fromkeys(outcome.violations))
        if seed < arguments.seed + arguments.repeat:
            again: Outcome = run_life(seed, requests=arguments.requests)
            if again.digest != outcome.digest:
                violations.append("the same seed gave another life")
        if arguments.trace:
            print("\n".join(outcome.trace))
        if arguments.digest:
            print(seed, outcome.digest)
        if violations:
            failed += 1
            print(f"seed {seed} failed:")
            for violation in violations:
                print(f"  {violation}")
            print(f"  python -m tests.simulation --seed {seed} --trace")
            if not arguments.keep_going:
                break
    took_s = time.monotonic() - began
    rate = lives / took_s * 3600
    print(f"{lives} lives in {took_s:.1f} s ({rate:.0f} an hour), {failed} seeds failed")
    return 1 if failed else 0


def _ignore(_: object) -> None:
    """What is left of processes that died in the middle may fail when it is swept away."""


def _seeds(arguments: argparse.Namespace, began: float) -> Iterator[int]:
    for number in count():
        if arguments.seconds is not None:
            if time.monotonic() - began >= arguments.seconds:
                return
        elif number * arguments.requests >= arguments.lives:
            return
        yield arguments.seed + number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--lives", type=int, default=1, help="requests to simulate")
    parser.add_argument("--seconds", type=float, help="run for so long instead")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="requests of one seed")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--repeat", type=int, default=0, help="run the first seeds twice")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument("--digest", action="store_true", help="print a digest of each trace")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
