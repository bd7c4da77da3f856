"""A run as data: lines of a small language, made from a seed, printed when a run fails, and read
back to repeat it.

    submit a acme failover          request mitigation; later lines about it name `a`
    extend a                        for a longer lifetime
    efficacy a                      report that the attack continues
    wait a                          until a provider helps, or faults prevent it for too long
    terminate a
    prepare p acme                  have every provider hold a plan; later lines name `p`
    lose northgate acme             the provider concludes that it lost contact, and activates
                                    the plans it holds
    discard p                       turn the plan off
    restore acme                    request mitigation, then restore the database from before it
    fault kill signal-1 for 0.0     starts now, beside the following lines, for these seconds
    pause 0.4                       do nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

PROCESSES: Final = ("web", "signal-1", "signal-2", "worker", "beat")
CLOCKED: Final = ("web", "signal-1", "signal-2", "worker")
"""Beat pickles dates, which stand for themselves only.

It starts housekeeping and decides nothing.
"""
PROVIDERS: Final = ("northgate", "tidewall")
SERVERS: Final = ("redis", "postgres")
ORGANIZATIONS: Final = ("acme", "globex")
STRATEGIES: Final = ("failover", "parallel")

FAULTS: Final = {
    "kill": (*PROCESSES, *PROVIDERS, *SERVERS),
    "stop": (*PROCESSES, *PROVIDERS, *SERVERS),
    "restart": ("redis", "postgres", "signal-1", "signal-2"),
    "crash": PROVIDERS,
    "forget": PROVIDERS,
    "loss": PROVIDERS,
    "redirect": PROVIDERS,
    "odd-report": PROVIDERS,
    "refuse-polls": PROVIDERS,
    "ignore-mid": PROVIDERS,
    "rearm": PROVIDERS,
    "keep-plans": PROVIDERS,
    "refuse-writes": SERVERS,
    "clock": CLOCKED,
}
"""The faults of each victim: kill = SIGKILL, then restarted; stop = SIGSTOP, then SIGCONT."""

INSTANTANEOUS: Final = frozenset({"crash", "forget", "restart"})
SHORT_S: Final = (0.0, 3.0)
LONG_PAUSE_S: Final = 16.0
"""Longer than a lease, so that another worker takes over."""
LONG_PAUSES: Final = 0.2
MAX_REQUESTS: Final = 2
MAX_FAULTS: Final = 3
EVERY_SECOND: Final = 0.5
EVERY_THIRD: Final = 1 / 3
EVERY_EIGHTH: Final = 1 / 8


@dataclass(frozen=True, slots=True)
class Step:
    words: tuple[str, ...]

    @property
    def verb(self) -> str:
        return self.words[0]

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    steps: tuple[Step, ...]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """kind and victim of each"""
        return [(step.words[1], step.words[2]) for step in self.steps if step.verb == "fault"]

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


def parse(name: str, lines: Iterable[str]) -> Scenario:
    return Scenario(name, tuple(Step(tuple(line.split())) for line in lines if line.strip()))


def single_faults() -> list[Scenario]:
    """Each fault to each victim, at the start, in the middle and at the end of a request."""
    found = []
    for kind, victims in FAULTS.items():
        for victim in victims:
            fault = f"fault {kind} {victim} for {0 if kind in INSTANTANEOUS else 2}"
            life = ("submit a acme failover", "wait a", "extend a", "terminate a")
            for at, moment in enumerate(("ask", "live", "extend", "end")):
                lines = [*life[:at], fault, *life[at:]]
                found.append(parse(f"{kind} {victim} at {moment}", lines))
    return found


def from_seed(seed: int) -> Scenario:
    """One or two requests with actions of people, and one to three faults in between."""
    rng = Random(seed)
    lines: list[list[str]] = [
        _life(rng, name) for name in ("a", "b")[: rng.randint(1, MAX_REQUESTS)]
    ]
    if rng.random() < EVERY_THIRD:
        lines.append(_life_of_a_plan(rng))
    steps = list(_interleaved(rng, lines))
    for _ in range(rng.randint(1, MAX_FAULTS)):
        steps.insert(rng.randrange(len(steps) + 1), _fault(rng))
    if rng.random() < EVERY_EIGHTH:
        steps.insert(0, f"restore {rng.choice(ORGANIZATIONS)}")
    return parse(f"seed {seed}", steps)


def _life(rng: Random, name: str) -> list[str]:
    organization, strategy = rng.choice(ORGANIZATIONS), rng.choice(STRATEGIES)
    middle = rng.choices(["extend", "efficacy", "wait", "pause"], k=rng.randint(0, 3))
    life = [f"submit {name} {organization} {strategy}"]
    life += [
        f"pause {rng.uniform(0.05, 0.6):.2f}" if verb == "pause" else f"{verb} {name}"
        for verb in middle
    ]
    if rng.random() < EVERY_SECOND:
        life.append(f"terminate {name}")
    return life


def _life_of_a_plan(rng: Random) -> list[str]:
    organization = rng.choice(ORGANIZATIONS)
    life = [f"prepare p {organization}", f"pause {rng.uniform(0.05, 2.0):.2f}"]
    if rng.random() < EVERY_SECOND:
        life.append(f"lose {rng.choice(PROVIDERS)} {organization}")
    if rng.random() < EVERY_SECOND:
        life.append("discard p")
    return life


def _fault(rng: Random) -> str:
    kind = rng.choice(list(FAULTS))
    victim = rng.choice(FAULTS[kind])
    seconds = 0.0 if kind in INSTANTANEOUS else rng.uniform(*SHORT_S)
    if kind == "stop" and victim.startswith("signal") and rng.random() < LONG_PAUSES:
        seconds = LONG_PAUSE_S
    return f"fault {kind} {victim} for {seconds:.1f}"


def _interleaved(rng: Random, lives: list[list[str]]) -> Iterator[str]:
    """Interleave the lives; each keeps its own order."""
    left = [list(life) for life in lives]
    while any(left):
        yield rng.choice([life for life in left if life]).pop(0)
