"""Which way to a server to try, and when (RFC 9132 section 4.3, RFC 8305)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DTLS: Final = "dtls"
TLS: Final = "tls"

MAX_CANDIDATES: Final = 16
OUTCOME_LIFETIME_S: Final = 600.0
MIN_REPEAT_S: Final = 0.25
MAX_FAILURES: Final = 4
"""Failed DTLS handshakes before an address is given up: a single failure may be forged, or an ICMP error of a server
that is restarting."""
FIRST_RETRY_S: Final = 0.25
"""The pause after a failed DTLS handshake; doubled each time, so the last one starts 1.75 s after the first failure."""
DATAGRAMS_OF_AN_ATTEMPT: Final = 4
"""Its repeats after 1, 2 and 4 seconds included."""
MIN_UDP_PROBE_S: Final = 300.0
"""MUST NOT be probed for more often (RFC 9132 section 4.3)."""
UDP_PROBE_S: Final = 86400.0
"""SHOULD NOT be probed for more often."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to the server."""

    transport: str
    "`dtls` or `tls`"
    address: str


def candidates(addresses: Iterable[str], transports: Sequence[str]) -> tuple[Candidate, ...]:
    """UDP/IPv6, UDP/IPv4, TCP/IPv6, TCP/IPv4; then the same with the second address of each."""
    families: tuple[list[str], list[str]] = ([], [])
    for address in dict.fromkeys(addresses):
        families[":" not in address].append(address)
    ranked = sorted(
        (nth, transport != DTLS, number, Candidate(transport, address))
        for transport in dict.fromkeys(transports)
        for number, family in enumerate(families)
        for nth, address in enumerate(family)
    )
    return tuple(candidate for *_, candidate in ranked[:MAX_CANDIDATES])


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceSettings:
    """How eagerly to try."""

    attempt_delay_s: float = 0.25
    "between two candidates (RFC 8305 section 5)"
    repeat_s: float = 3.0
    "a DTLS handshake whose datagrams are lost is overtaken by a new one after so long"
    max_at_once: int = 10
    "attempts under way"


def eager_repeat_s(usual_s: float, *, rtt_s: float | None) -> float:
    """When handshakes overtake each other under attack.

    A round trip that is known allows more than guessing does: with what each attempt sends, still
    no more than one datagram per round trip (RFC 8085 section 3.1.3).
    """
    if rtt_s is None:
        return usual_s
    return min(usual_s, max(MIN_REPEAT_S, DATAGRAMS_OF_AN_ATTEMPT * rtt_s))


@dataclass(slots=True)
class _Lane:
    candidate: Candidate
    due_at: float
    running: int = 0
    failures: int = 0
    is_given_up: bool = False


class Race:
    """The attempts of one connection. The first that completes wins; who runs it stops the others."""

    def __init__(
        self,
        entrants: Sequence[Candidate],
        *,
        now: float,
        settings: RaceSettings,
        first: Candidate | None = None,
    ) -> None:
        self._settings = settings
        ordered = sorted(entrants, key=lambda candidate: candidate != first)
        self._waiting = deque(ordered)
        self._lanes: dict[Candidate, _Lane] = {}
        self._next_start_at = now

    @property
    def is_lost(self) -> bool:
        """Whether every candidate is given up."""
        return not self._waiting and all(
            lane.is_given_up and not lane.running for lane in self._lanes.values()
        )

    def next_timer(self) -> float | None:
        """When `due` has something; None when nothing is to be begun before something ends."""
        if self._running >= self._settings.max_at_once:
            return None
        times = [lane.due_at for lane in self._lanes.values() if self._may_repeat(lane)]
        if self._waiting:
            times.append(self._next_start_at)
        return min(times, default=None)

    def due(self, *, now: float) -> Candidate | None:
        """What to begin now; ask again until there is nothing."""
        if self._running >= self._settings.max_at_once:
            return None
        if self._waiting and now >= self._next_start_at:
            candidate = self._waiting.popleft()
            self._next_start_at = now + self._settings.attempt_delay_s
            self._lanes[candidate] = _Lane(candidate, now)
            return self._begun(self._lanes[candidate], now)
        for lane in self._lanes.values():
            if self._may_repeat(lane) and now >= lane.due_at:
                return self._begun(lane, now)
        return None

    def failed(self, candidate: Candidate, *, now: float) -> None:
        """Let the next candidate start at once (RFC 8305 section 5), and retry this one if it is DTLS.

        Nothing authenticates a DTLS 1.2 handshake before its last message, so one forged datagram or ICMP error
        ends it. A failure therefore counts like a loss until there are `MAX_FAILURES`. TCP does not need this: an
        attacker off the path cannot write into its connection.
        """
        lane = self._lanes[candidate]
        lane.running -= 1
        lane.failures += 1
        lane.is_given_up = candidate.transport != DTLS or lane.failures >= MAX_FAILURES
        lane.due_at = min(lane.due_at, now + FIRST_RETRY_S * 2 ** (lane.failures - 1))
        self._next_start_at = now

    @property
    def _running(self) -> int:
        return sum(lane.running for lane in self._lanes.values())

    def _may_repeat(self, lane: _Lane) -> bool:
        # TCP repeats what is lost by itself.
        return lane.candidate.transport == DTLS and not lane.is_given_up

    def _begun(self, lane: _Lane, now: float) -> Candidate:
        lane.running += 1
        lane.due_at = now + self._settings.repeat_s
        return lane.candidate


class Outcome:
    """How a server was reached last, for as long as that says something."""

    def __init__(self, *, lifetime_s: float = OUTCOME_LIFETIME_S) -> None:
        self._lifetime_s = lifetime_s
        self._winner: Candidate | None = None
        self._until = 0.0
        self._measured: tuple[Candidate, float, float] | None = None
        "which way, its round trip, and until when that says something"

    def won(self, candidate: Candidate, *, now: float) -> None:
        self._winner = candidate
        self._until = now + self._lifetime_s

    def preferred(self, *, now: float) -> Candidate | None:
        """What to try first."""
        return self._winner if now < self._until else None

    def measured(self, way: Candidate, *, rtt_s: float, now: float) -> None:
        self._measured = way, rtt_s, now + self._lifetime_s

    def rtt_s(self, way: Candidate | None = None, *, now: float) -> float | None:
        """The round trip that was measured on the same way; without one, on whichever was last."""
        if self._measured is None:
            return None
        measured, rtt_s, until = self._measured
        return rtt_s if way in (None, measured) and now < until else None


class UdpProbe:
    """When a session over TCP looks for UDP again."""

    def __init__(self, *, now: float, interval_s: float = UDP_PROBE_S) -> None:
        self._interval_s = max(interval_s, MIN_UDP_PROBE_S)
        self._due_at = now + self._interval_s

    def next_timer(self) -> float:
        return self._due_at

    def probed(self, *, now: float) -> None:
        self._due_at = now + self._interval_s
