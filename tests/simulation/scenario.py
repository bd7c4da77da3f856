"""What happens in a life besides the portal: chosen by a seed, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

FAULTS_END_AT_S: Final = 20.0
LAST_WORD_AT_S: Final = 12.0
WORKERS: Final = ("signal-1", "signal-2")
NETWORKS: Final = {"acme": "203.0.113", "globex": "198.51.100"}
"""What each tenant protects: the first three numbers of its addresses."""

PASSING_BEHAVIOURS: Final[tuple[dict[str, Any], ...]] = (
    {"accept": "refuse", "refuse_code": "4.00"},
    {"accept": "refuse", "refuse_code": "4.03"},
    {"accept": "refuse", "refuse_code": "4.09", "retry_after_s": 5},
    {"accept": "refuse", "refuse_code": "4.29", "retry_after_s": 3},
    {"accept": "refuse", "refuse_code": "5.03", "retry_after_s": 3},
    {"accept": "silent"},
    {"poll_code": "5.03"},
    {"poll_code": "4.05"},
    {"max_requests_per_s": 1.0},
    {"heartbeats": False},
    {"capability_bps": 1.0},
    {"hop_loop": "gw1 gw2"},
    {"ignored_mid": 1},
)
"""Behaviours that end with the faults."""
LASTING_BEHAVIOURS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {},
    {"notify": False},
    {"odd_report": "bignum-counter"},
    {"odd_report": "null-lifetime"},
    {"status_delay_s": 0.0},
    {"status_delay_s": 6.0},
    {"terminating_s": 8.0},
    {"max_lifetime_s": 60},
)
"""Behaviours of a provider that works."""
USELESS_BEHAVIOURS: Final[tuple[dict[str, Any], ...]] = (
    {"accept": "refuse", "refuse_code": "4.00"},
    {"accept": "refuse", "refuse_code": "5.03", "retry_after_s": 3},
    {"accept": "silent"},
)
"""Behaviours of a provider that does not help before it is healed."""


_PROCESS_FAULTS: Final = ("kill", "kill", "kill", "stop", "restart", "clock")
_DATABASE_FAULTS: Final = ("database", "database", "hang")
_NETWORK_FAULTS: Final = ("loss", "repeats", "late", "wakeups")
_PROVIDER_FAULTS: Final = ("crash", "forget", "goodbye", "behave", "behave")
FAULTS: Final = (*_PROCESS_FAULTS, *_DATABASE_FAULTS, *_NETWORK_FAULTS, *_PROVIDER_FAULTS)
"""One that is named several times is chosen more often."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` is wrong with `where` from `begins_at` to `ends_at`, in seconds of the life."""

    what: str
    where: str
    begins_at: float
    ends_at: float
    number: float = 0.0
    """steps that a killed worker still lives; seconds that a clock is ahead; a share of datagrams,
    calls or wake-ups
    """
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Word:
    """What a person says about request `about`."""

    what: str
    about: int
    at: float


@dataclass(frozen=True, slots=True)
class Wish:
    """A request as a person of `tenant` submits it."""

    tenant: str
    at: float
    strategy: str
    lifetime_s: int
    auto_renew: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization and its policy."""

    name: str
    patience_s: int
    late_acceptance: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that the seed decides in advance."""

    seed: int
    tenants: tuple[Tenant, ...]
    providers: tuple[str, ...]
    "each of them has a subscription of each tenant"
    lasting: dict[str, dict[str, Any]]
    useless: str
    "a provider that does not help until it is healed; empty: none"
    wishes: tuple[Wish, ...]
    words: tuple[Word, ...]
    faults: tuple[Fault, ...]
    web_ahead_s: float
    "how far the clock of people's web process is ahead of the workers' and the database's"


def scenario_of(seed: int, *, requests: int) -> Scenario:
    """The same for the same seed and number of requests."""
    chance = Random(f"scenario {seed}")
    providers = ("northgate", "tidewall", "harbor")[: chance.choice((2, 2, 3))]
    tenants = tuple(_tenant(chance, name) for name in [*NETWORKS][: chance.choice((1, 1, 2))])
    wishes = tuple(_wish(chance, chance.choice(tenants).name) for _ in range(requests))
    words = [
        Word(
            chance.choice(("terminate", "extend", "extend", "withdraw", "ask")),
            about,
            wish.at + chance.choice((chance.uniform(0.0, 0.4), chance.uniform(0.1, 8.0))),
        )
        for about, wish in enumerate(wishes)
        for _ in range(chance.choice((0, 0, 1, 1, 2)))
    ]
    return Scenario(
        seed=seed,
        tenants=tenants,
        providers=providers,
        lasting={name: chance.choice(LASTING_BEHAVIOURS) for name in providers},
        useless=chance.choice(("", "", providers[0])),
        wishes=wishes,
        words=tuple(sorted(words, key=lambda word: word.at)),
        faults=tuple(_fault(chance, providers) for _ in range(chance.choice((0, 1, 2, 3, 4, 5)))),
        web_ahead_s=chance.choice((0.0, 0.0, 0.0, 2.0, -2.0, -2.0)),
    )


def _tenant(chance: Random, name: str) -> Tenant:
    return Tenant(
        name,
        patience_s=chance.choice((2, 5, 10)),
        late_acceptance=chance.choice(("keep", "withdraw_later")),
    )


def _wish(chance: Random, tenant: str) -> Wish:
    return Wish(
        tenant=tenant,
        at=chance.uniform(0.0, LAST_WORD_AT_S),
        strategy=chance.choice(("failover", "failover", "parallel")),
        lifetime_s=chance.choice((600, 3600)),
        auto_renew=chance.random() < 0.7,
    )


def _fault(chance: Random, providers: tuple[str, ...]) -> Fault:
    begins_at = chance.uniform(0.5, FAULTS_END_AT_S - 4)
    ends_at = min(FAULTS_END_AT_S, begins_at + chance.uniform(0.2, 15.0))
    what = chance.choice(FAULTS)
    match what:
        case "kill":
            # Anywhere from its first step to its several thousandth.
            steps = int(10 ** chance.uniform(0.0, 3.2))
            ends_at = begins_at + chance.uniform(0.0, 3.0)
            return Fault(what, chance.choice(WORKERS), begins_at, ends_at, steps)
        case "stop" if chance.random() < 0.5:
            # Longer than its lease.
            return Fault(what, chance.choice(WORKERS), chance.uniform(0.5, 4.0), FAULTS_END_AT_S)
        case "stop" | "restart":
            return Fault(what, chance.choice(WORKERS), begins_at, ends_at)
        case "clock":
            ahead_s = chance.choice((-3600.0, -90.0, 90.0, 3600.0))
            return Fault(what, chance.choice(WORKERS), begins_at, ends_at, ahead_s)
        case "database":
            return Fault(what, "database", begins_at, ends_at, chance.choice((0.05, 0.3, 1.0)))
        case "hang":
            return Fault(what, "database", begins_at, ends_at, chance.choice((0.02, 0.2)))
        case "loss" | "repeats" | "late":
            return Fault(what, "network", begins_at, ends_at, chance.choice((0.1, 0.5, 0.9)))
        case "wakeups":
            return Fault(what, "wakeups", begins_at, ends_at, chance.choice((0.5, 1.0)))
        case "behave":
            changes = chance.choice(PASSING_BEHAVIOURS)
            return Fault(what, chance.choice(providers), begins_at, ends_at, changes=changes)
        case _:
            return Fault(what, chance.choice(providers), begins_at, ends_at)
