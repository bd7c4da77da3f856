"""What happens in a life besides the portal: chosen by a seed, before anything runs.

Each seed first chooses what may happen at all, and then how often: a few kinds that happen often
reach more than all kinds that happen rarely (swarm testing, Groce et al., ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, TypeVar

FAULTS_END_AT_S: Final = 20.0
LONG_EPISODE_ENDS_AT_S: Final = 35.0
"""Long enough that a worker without its lease has something to send: it polls each mitigation every
15 s.
"""
LAST_WORD_AT_S: Final = 12.0
WORKERS: Final = ("signal-1", "signal-2")
NETWORKS: Final = {"acme": "203.0.113", "globex": "198.51.100"}
"""What each tenant protects: the first three numbers of its addresses."""

T = TypeVar("T")

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
    {"accept": "refuse", "refuse_code": "4.29", "retry_after_s": 3},
    {"accept": "refuse", "refuse_code": "5.03", "retry_after_s": 3},
    {"accept": "silent"},
)
"""Behaviours of a provider that does not help before it is healed."""
FAULTS: Final = (
    *("kill", "stop", "restart", "clock", "cut-off"),  # workers
    *("database", "hang"),
    *("loss", "repeats", "late", "wakeups"),
    *("crash", "forget", "goodbye", "behave"),  # providers
)
"""Kinds of faults, of which each seed may meet some."""
FAULT_SHARE: Final = 0.4
"""The share of these kinds that one seed may meet."""
WORDS: Final = ("terminate", "extend", "withdraw", "ask")
LIFETIMES_S: Final = (1200, 1800, 2700, 5400)
"""That an extension asks for."""
EPISODES: Final = ("", "", "", "", "long stop", "long cut-off", "pauses", "hurry", "lost")
"""What some seeds certainly contain: a worker that does nothing, or does not reach the database,
for longer than its lease; providers that ask for pauses; people who extend twice at once; providers
that lose everything while people extend and terminate.
"""


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
    lifetime_s: int = 0
    "of an extension"


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
    settled_within_s: float = 90.0
    "after the last fault, and again after everything was terminated"

    @property
    def faults_end_at_s(self) -> float:
        return max([FAULTS_END_AT_S, *(fault.ends_at for fault in self.faults)])


def scenario_of(seed: int, *, requests: int) -> Scenario:
    """The same for the same seed and number of requests."""
    chance = Random(f"scenario {seed}")
    providers = ("northgate", "tidewall", "harbor")[: chance.choice((2, 2, 3))]
    tenants = tuple(_tenant(chance, name) for name in [*NETWORKS][: chance.choice((1, 1, 2))])
    wishes = tuple(_wish(chance, chance.choice(tenants).name) for _ in range(requests))
    episode = chance.choice(EPISODES)
    web_ahead_s = chance.choice((0.0, 0.0, 0.0, 2.0, -2.0, -2.0))
    scenario = Scenario(
        seed=seed,
        tenants=tenants,
        providers=providers,
        lasting={name: chance.choice(LASTING_BEHAVIOURS) for name in providers},
        useless=chance.choice(("", "", providers[0])),
        wishes=wishes,
        words=_words(chance, wishes, in_hurry=episode == "hurry"),
        faults=(*_episode(chance, episode, providers), *_faults(chance, providers)),
        web_ahead_s=-2.0 if episode == "hurry" else web_ahead_s,
    )
    return _with_losses(chance, scenario) if episode == "lost" else scenario


def _words(chance: Random, wishes: tuple[Wish, ...], *, in_hurry: bool) -> tuple[Word, ...]:
    kinds = _some(chance, WORDS, 0.6)
    most = chance.choice((1, 2, 4))
    words = [
        _word(chance, chance.choice(kinds), about, wish.at)
        for about, wish in enumerate(wishes)
        for _ in range(chance.randint(0, most))
    ]
    if in_hurry:
        extensions = [_word(chance, "extend", about, wish.at) for about, wish in enumerate(wishes)]
        soon = [replace(it, at=it.at + chance.uniform(0.0, 0.1)) for it in extensions]
        words += [*extensions, *(replace(it, lifetime_s=_lifetime(chance)) for it in soon)]
    return tuple(sorted(words, key=lambda word: word.at))


def _with_losses(chance: Random, scenario: Scenario) -> Scenario:
    """Every provider forgets everything, and just then people extend and terminate. Some calls of
    the database take long, and some wake-ups are lost.
    """
    losses = [
        Fault("hang", "database", 1.0, FAULTS_END_AT_S, number=0.2),
        Fault("wakeups", "wakeups", 1.0, FAULTS_END_AT_S, number=0.5),
    ]
    words: list[Word] = []
    for about, wish in enumerate(scenario.wishes):
        at = wish.at + chance.uniform(1.0, 6.0)
        losses += [Fault("forget", name, at, at) for name in scenario.providers]
        words += [
            Word("extend", about, at + chance.uniform(0.0, 0.3), _lifetime(chance)),
            Word("terminate", about, at + chance.uniform(0.3, 2.0)),
        ]
    return replace(
        scenario,
        faults=(*scenario.faults, *losses),
        words=tuple(sorted((*scenario.words, *words), key=lambda word: word.at)),
    )


def _word(chance: Random, what: str, about: int, since: float) -> Word:
    at = since + chance.choice((chance.uniform(0.0, 0.4), chance.uniform(0.1, 8.0)))
    return Word(what, about, at, _lifetime(chance) if what == "extend" else 0)


def _lifetime(chance: Random) -> int:
    return chance.choice(LIFETIMES_S)


def _some(chance: Random, kinds: Sequence[T], share: float) -> tuple[T, ...]:
    """About this share of them, at least one."""
    return tuple(kind for kind in kinds if chance.random() < share) or (chance.choice(kinds),)


def _episode(chance: Random, episode: str, providers: tuple[str, ...]) -> tuple[Fault, ...]:
    match episode:
        case "long stop" | "long cut-off":
            what, where = episode.removeprefix("long "), chance.choice(WORKERS)
            return (Fault(what, where, chance.uniform(1.0, 6.0), LONG_EPISODE_ENDS_AT_S),)
        case "pauses":
            changes = {"accept": "refuse", "refuse_code": "4.29", "retry_after_s": 3}
            return tuple(
                _lasting(chance, "behave", name, changes=changes)
                for name in _some(chance, providers, 0.7)
            )
        case _:
            return ()


def _faults(chance: Random, providers: tuple[str, ...]) -> tuple[Fault, ...]:
    kinds = _some(chance, FAULTS, FAULT_SHARE)
    behaviours = _some(chance, PASSING_BEHAVIOURS, 0.25)
    number = chance.choice((0, 1, 2, 3, 5, 8))
    return tuple(_fault(chance, chance.choice(kinds), providers, behaviours) for _ in range(number))


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


def _fault(
    chance: Random,
    what: str,
    providers: tuple[str, ...],
    behaviours: tuple[dict[str, Any], ...],
) -> Fault:
    match what:
        case "kill":
            # Anywhere from its first step to its several thousandth.
            steps = int(10 ** chance.uniform(0.0, 3.2))
            fault = _lasting(chance, what, chance.choice(WORKERS), number=steps)
            return replace(fault, ends_at=fault.begins_at + chance.uniform(0.0, 3.0))
        case "stop" | "restart" | "cut-off":
            return _lasting(chance, what, chance.choice(WORKERS))
        case "clock":
            ahead_s = chance.choice((-3600.0, -90.0, 90.0, 3600.0))
            return _lasting(chance, what, chance.choice(WORKERS), number=ahead_s)
        case "database":
            return _lasting(chance, what, "database", number=chance.choice((0.05, 0.3, 1.0)))
        case "hang":
            return _lasting(chance, what, "database", number=chance.choice((0.02, 0.2)))
        case "loss" | "repeats" | "late":
            return _lasting(chance, what, "network", number=chance.choice((0.1, 0.5, 0.9)))
        case "wakeups":
            return _lasting(chance, what, "wakeups", number=chance.choice((0.5, 1.0)))
        case "behave":
            changes = chance.choice(behaviours)
            return _lasting(chance, what, chance.choice(providers), changes=changes)
        case _:
            return _lasting(chance, what, chance.choice(providers))


def _lasting(chance: Random, what: str, where: str, **options: Any) -> Fault:
    begins_at = chance.uniform(0.5, FAULTS_END_AT_S - 4)
    ends_at = min(FAULTS_END_AT_S, begins_at + chance.uniform(0.2, 15.0))
    return Fault(what, where, begins_at, ends_at, **options)
