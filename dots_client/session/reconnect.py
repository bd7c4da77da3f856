"""When to try to open a new session (RFC 9132 section 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dots_client.rng import Rng

MIN_PEACE_DELAY_S: Final = 60.0
"""Seconds between attempts in peacetime: MUST NOT be less."""

MAX_PEACE_DELAY_S: Final = 300.0
"""Seconds between attempts in peacetime: SHOULD NOT be less. Reached after a few failures."""

SETTLED_S: Final = 10.0
"""Seconds; the second session in a row that ends sooner counts as a failed attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectSettings:
    """How eagerly to reconnect."""

    first_peace_delay_s: float = 2.0
    "seconds after a session; a server that restarts needs a moment, and a failure costs a minute"
    peace_spread_s: float = 6.0
    "random seconds on top, so that not all clients of a server return in the same second"
    attack_spread_s: float = 1.5
    "random seconds between the end of a session and the next attempt, at most"
    first_attack_delay_s: float = 1.0
    max_attack_delay_s: float = 15.0
    jitter: float = 0.1
    "random share of the delay on top"


class Reconnect:
    """The attempts since the last session. The very first is due at once."""

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
        "of the random spread, for the first attempt after a session"

    def next_attempt_at(self, *, now: float, is_under_attack: bool) -> float:
        """When to try next. An attack that begins shortens the current wait.

        Call it as soon as a session is lost: the delay before the first attempt counts from that
        call.
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
        """There is a session.

        May be called again while it lasts. After its loss, the first attempt follows soon.
        """
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
        # At 2^16 every delay has long reached its maximum.
        doubled = 2.0 ** min(failures - 1, 16)
        if is_under_attack:
            delay = min(
                self._settings.first_attack_delay_s * doubled, self._settings.max_attack_delay_s
            )
        else:
            delay = min(MIN_PEACE_DELAY_S * doubled, MAX_PEACE_DELAY_S)
        return delay * self._stretch
