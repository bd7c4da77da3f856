"""Happy Eyeballs: which transport and address to try, and when (RFC 9132 section 4.3, RFC 8305)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DTLS: Final = "dtls"
TLS: Final = "tls"

MAX_CANDIDATES: Final = 16
MIN_REPEAT_S: Final = 0.25
MAX_FAILURES: Final = 4
"""Failed DTLS handshakes before a candidate is abandoned. One failure may be forged, or an ICMP
error from a server that is restarting."""
FIRST_RETRY_S: Final = 0.25
"""The pause after a failed DTLS handshake. It doubles each time, so the last one starts 1.75 s
after the first failure."""
LATE_S: Final = 0.05
"""A timer that fires this late shows that this process was busy. An answer may have arrived
meanwhile and still wait to be read, so the timer is set again, by `attempt_delay_s`."""
MIN_ATTEMPT_DELAY_S: Final = 0.01
"""The shortest time between the starts of two candidates (RFC 8305 section 5)."""
MAX_ATTEMPT_DELAY_S: Final = 2.0
"""The longest wait for an answer before the next candidate starts (RFC 8305 section 5)."""
DATAGRAMS_OF_AN_ATTEMPT: Final = 4
"""Including its retransmissions after waits of 1, 2 and 4 seconds (RFC 6347 section 4.2.4.1)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transport and an address of the server."""

    transport: str
    "`dtls` or `tls`"
    address: str


def candidates(addresses: Iterable[str], transports: Sequence[str]) -> tuple[Candidate, ...]:
    """UDP/IPv6, UDP/IPv4, TCP/IPv6, TCP/IPv4.

    Then the same with the second address of each family, and so on.
    """
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
class HappyEyeballsSettings:
    """How eagerly to start attempts."""

    attempt_delay_s: float = 0.25
    "between two candidates (RFC 8305 section 5)"
    repeat_s: float = 3.0
    "seconds until a new DTLS handshake begins beside one without an answer"
    max_concurrent: int = 10
    "attempts under way"


def eager_repeat_s(usual_s: float, *, rtt_s: float | None) -> float:
    """Seconds between the handshakes with one candidate under attack.

    With a known round trip they may follow faster, as long as all attempts together send no more
    than one datagram per round trip (RFC 8085 section 3.1.3).
    """
    if rtt_s is None:
        return usual_s
    return min(usual_s, max(MIN_REPEAT_S, DATAGRAMS_OF_AN_ATTEMPT * rtt_s))


@dataclass(slots=True)
class _Attempts:
    candidate: Candidate
    due_at: float
    running: int = 0
    failures: int = 0
    has_waited_again: bool = False
    "since the last one began"
    is_abandoned: bool = False


class HappyEyeballs:
    """The attempts of one connection.

    The first that completes wins; the caller stops the others.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        now: float,
        settings: HappyEyeballsSettings,
        first: Candidate | None = None,
    ) -> None:
        self._settings = settings
        ordered = sorted(candidates, key=lambda candidate: candidate != first)
        self._waiting = deque(ordered)
        self._attempts: dict[Candidate, _Attempts] = {}
        self._next_start_at = now
        self._last_start_at = now

    @property
    def is_lost(self) -> bool:
        """Whether every candidate was abandoned."""
        return not self._waiting and all(
            attempts.is_abandoned and not attempts.running for attempts in self._attempts.values()
        )

    def next_timer(self) -> float | None:
        """When `due` has a candidate; None if no attempt may start before another ends."""
        if self._running >= self._settings.max_concurrent:
            return None
        times = [
            attempts.due_at for attempts in self._attempts.values() if self._may_repeat(attempts)
        ]
        if self._waiting:
            times.append(self._next_start_at)
        return min(times, default=None)

    def due(self, *, now: float) -> Candidate | None:
        """The candidate to try now. Call it until it returns None."""
        if self._running >= self._settings.max_concurrent:
            return None
        if self._running and now >= self._next_start_at + LATE_S:
            self._wait_again(now)
        if self._waiting and now >= self._next_start_at:
            candidate = self._waiting.popleft()
            self._last_start_at = now
            self._next_start_at = now + self._settings.attempt_delay_s
            self._attempts[candidate] = _Attempts(candidate, now)
            return self._begun(self._attempts[candidate], now)
        for attempts in self._attempts.values():
            is_due = self._may_repeat(attempts) and now >= attempts.due_at
            if is_due and not self._waits_again(attempts, now):
                return self._begun(attempts, now)
        return None

    def failed(self, candidate: Candidate, *, now: float) -> None:
        """Start the next candidate as soon as RFC 8305 allows; retry this one if it is DTLS.

        Nothing authenticates a DTLS 1.2 handshake before its last message, so one forged datagram
        or ICMP error ends it. A failure therefore counts like a loss until there are
        `MAX_FAILURES`. TCP does not need this: an attacker off the path cannot write into its
        connection.
        """
        attempts = self._attempts[candidate]
        attempts.running -= 1
        attempts.failures += 1
        attempts.is_abandoned = candidate.transport != DTLS or attempts.failures >= MAX_FAILURES
        attempts.due_at = min(attempts.due_at, now + FIRST_RETRY_S * 2 ** (attempts.failures - 1))
        self._next_start_at = max(now, self._last_start_at + MIN_ATTEMPT_DELAY_S)

    def _wait_again(self, now: float) -> None:
        """Do not let our own slowness start handshakes, which would make us slower still."""
        latest = self._last_start_at + MAX_ATTEMPT_DELAY_S
        self._next_start_at = min(now + self._settings.attempt_delay_s, latest)

    def _waits_again(self, attempts: _Attempts, now: float) -> bool:
        """The same before a repeated handshake, but once: by the next timer the answer was read."""
        is_late = attempts.running > 0 and now >= attempts.due_at + LATE_S
        if not is_late or attempts.has_waited_again:
            return False
        attempts.due_at = now + min(self._settings.attempt_delay_s, MAX_ATTEMPT_DELAY_S)
        attempts.has_waited_again = True
        return True

    @property
    def _running(self) -> int:
        return sum(attempts.running for attempts in self._attempts.values())

    def _may_repeat(self, attempts: _Attempts) -> bool:
        # TCP retransmits on its own.
        return attempts.candidate.transport == DTLS and not attempts.is_abandoned

    def _begun(self, attempts: _Attempts, now: float) -> Candidate:
        attempts.running += 1
        attempts.has_waited_again = False
        attempts.due_at = now + self._settings.repeat_s
        return attempts.candidate
