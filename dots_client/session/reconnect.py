"""When to try for a new session (RFC 9132 section 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dots_client.rng import Rng

MIN_PEACE_DELAY_S: Final = 60.0
"""MUST NOT be tried more often in peacetime."""

MAX_PEACE_DELAY_S: Final = 300.0
"""SHOULD NOT be tried more often in peacetime; reached after a few failures."""

SETTLED_S: Final = 10.0
"""The second session in a row that is lost sooner than this counts as a failed attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectSettings:
    """How eagerly to try."""

    first_peace_delay_s: float = 2.0
    "after a session, for a server that is about to start again: who fails waits a minute"
    peace_spread_s: float = 6.0
    "added to it at random, so that not every client of a server is back in the same second"
    attack_spread_s: float = 1.5
    "between the end of a session and the next attempt, at most, at random"
    first_attack_delay_s: float = 1.0
    max_attack_delay_s: float = 15.0
    jitter: float = 0.1
    "share of the delay added at random"


class Reconnect:
    """The attempts since the last session. The first of all is due at once."""

    def __init__(self, *, rng: Rng, settings: ReconnectSettings | None = None) -> None:
        self._rng = rng
        self._settings = settings or ReconnectSettings()
        self._attempts = 0
        self._last_attempt_at = 0.0
        self._stretch = 1.0
        self._has_had_session = False
        self._opened_at: float | None = None
        self._missed_at: float | None = None
        self._short_sessions = 0
        "in a row"
        self._share = 0.0
        "of the spread, for the first attempt after a session"

    def next_attempt_at(self, *, now: float, is_under_attack: bool) -> float:
        """When to try next. An attack that begins shortens the wait that is under way.

        To be asked as soon as a session is missed: the first attempt after it counts from then.
        """
        if self._attempts == 0:
            return self._first_attempt_at(now=now, is_under_attack=is_under_attack)
        delay_s = self._delay_s(self._attempts, is_under_attack=is_under_attack)
        return self._last_attempt_at + delay_s

    def attempted(self, *, now: float) -> None:
        """An attempt begins."""
        self._attempts += 1
        self._last_attempt_at = now
        self._stretch = 1 + self._settings.jitter * self._rng.random()

    def succeeded(self, *, now: float) -> None:
        """Note that there is a session; may be repeated while it lasts. The first attempt after its loss follows soon."""
        self._attempts = 0
        self._has_had_session = True
        self._opened_at = now if self._opened_at is None else self._opened_at
        self._missed_at = None
        self._share = self._rng.random()

    def _first_attempt_at(self, *, now: float, is_under_attack: bool) -> float:
        if not self._has_had_session:
            return now
        if self._missed_at is None:
            self._missed(now)
        assert self._missed_at is not None
        if self._short_sessions > 1:
            delay_s = self._delay_s(self._short_sessions - 1, is_under_attack=is_under_attack)
            return self._missed_at + delay_s
        if is_under_attack:
            return self._missed_at + self._share * self._settings.attack_spread_s
        return (
            self._missed_at
            + self._settings.first_peace_delay_s
            + self._share * self._settings.peace_spread_s
        )

    def _missed(self, now: float) -> None:
        is_short = self._opened_at is not None and now - self._opened_at < SETTLED_S
        self._short_sessions = self._short_sessions + 1 if is_short else 0
        self._opened_at = None
        self._missed_at = now

    def _delay_s(self, failures: int, *, is_under_attack: bool) -> float:
        # Beyond 2^16 every delay is at its maximum anyway.
        doubled = 2.0 ** min(failures - 1, 16)
        if is_under_attack:
            delay = min(
                self._settings.first_attack_delay_s * doubled, self._settings.max_attack_delay_s
            )
        else:
            delay = min(MIN_PEACE_DELAY_S * doubled, MAX_PEACE_DELAY_S)
        return delay * self._stretch
