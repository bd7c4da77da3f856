"""Runs lives: `python -m tests.simulation --lives 1000 --seed 1` (docs/simulation.md)."""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

from tests.simulation.start import start

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

SEED_ENDS_WITHIN_S: Final = 180
"""It takes a few seconds. One that never ends prints where it is, and ends the process."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one seed gave; `trace` is empty unless it was wanted."""

    seed: int
    lives: int
    violations: tuple[str, ...]
    digest: str
    faults: Counter[str]
    trace: tuple[str, ...] = field(repr=False)


def main() -> int:
    arguments = _arguments()
    start("tests.simulation")
    began = time.monotonic()
    lives = failed = 0
    faults: Counter[str] = Counter()
    for ran in _run_all(arguments):
        lives += ran.lives
        faults += ran.faults
        if arguments.trace:
            print("\n".join(ran.trace))
        if arguments.digest:
            print(ran.seed, ran.digest)
        if ran.violations:
            failed += 1
            _print_failure(ran)
            if not arguments.keep_going:
                break
    took_s = time.monotonic() - began
    if arguments.count:
        print("\n".join(f"{number:>9} {what}" for what, number in sorted(faults.items())))
    rate = lives / took_s * 3600
    print(f"{lives} lives in {took_s:.1f} s ({rate:.0f} an hour), {failed} seeds failed")
    return 1 if failed else 0


def _print_failure(ran: Ran) -> None:
    print(f"seed {ran.seed} failed:")
    for violation in ran.violations:
        print(f"  {violation}")
    print(f"  python -m tests.simulation --seed {ran.seed} --trace", flush=True)


def _run_all(arguments: argparse.Namespace) -> Iterator[Ran]:
    """Run the seeds, each process every so many of them."""
    if arguments.processes == 1:
        yield from _run_share(arguments, 0)
        return
    fork = multiprocessing.get_context("fork")
    results: SimpleQueue[Ran | None] = fork.SimpleQueue()
    processes = [
        fork.Process(target=_send_share, args=(arguments, number, results), daemon=True)
        for number in range(arguments.processes)
    ]
    for process in processes:
        process.start()
    try:
        running = len(processes)
        while running:
            if (ran := results.get()) is None:
                running -= 1
            else:
                yield ran
    finally:
        for process in processes:
            process.terminate()


def _send_share(
    arguments: argparse.Namespace, number: int, results: SimpleQueue[Ran | None]
) -> None:
    try:
        for ran in _run_share(arguments, number):
            results.put(ran)
    finally:
        results.put(None)


def _run_share(arguments: argparse.Namespace, number: int) -> Iterator[Ran]:
    from tests.simulation.run import run_life

    ends_at = None if arguments.seconds is None else time.monotonic() + arguments.seconds
    lives_until = arguments.seed + arguments.lives / arguments.requests
    for seed in count(arguments.seed + number, arguments.processes):
        if seed >= lives_until if ends_at is None else time.monotonic() >= ends_at:
            return
        faulthandler.dump_traceback_later(SEED_ENDS_WITHIN_S, exit=True)
        outcome = run_life(seed, requests=arguments.requests)
        violations = dict.fromkeys(outcome.violations)
        if seed < arguments.seed + arguments.repeat:
            again = run_life(seed, requests=arguments.requests)
            if again.digest != outcome.digest:
                violations["the same seed gave another life"] = None
        faulthandler.cancel_dump_traceback_later()
        trace = outcome.trace if arguments.trace else ()
        yield Ran(seed, outcome.requests, tuple(violations), outcome.digest, outcome.faults, trace)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--lives", type=int, default=1, help="requests to simulate")
    parser.add_argument("--seconds", type=float, help="run for so long instead")
    parser.add_argument("--requests", type=int, default=24, help="requests of one seed")
    parser.add_argument("--processes", type=int, default=1, help="share the seeds among them")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--repeat", type=int, default=0, help="run the first seeds twice")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument("--digest", action="store_true", help="print a digest of each trace")
    parser.add_argument("--count", action="store_true", help="count what was injected")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
