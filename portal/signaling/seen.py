"""What one session has shown of each mitigation, and how long what failed is left alone. Lost with the session."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal.signaling.plan import Action, OnSession

HOLD_S: Final = 3.0
"""The same action of one mitigation is not begun more often, whatever the rows say."""
FAILED_POLL_S: Final = 15.0
"""After a poll that told no status: the pace of one that does, then twice as long each time."""
MAX_FAILED_POLL_S: Final = 120.0
MAX_FAILED_S: Final = 30.0
"""Any other action that failed waits HOLD_S, then twice as long each time, up to this."""
MAX_DOUBLINGS: Final = 5
UNDER_WAY_S: Final = 3600.0
"""What runs is not begun again: what follows is looked for as if it were left alone for long."""


@dataclass(slots=True)
class _One:
    is_introduced: bool = False
    is_absent: bool = False
    dots_status: int | None = None
    reported_at: float = 0.0
    tells_no_status: bool = False
    failures: Counter[Action] = field(default_factory=Counter)
    not_before: dict[Action, float] = field(default_factory=dict)


class Seen:
    """Every `time` is the event loop's, in seconds: no clock that is set changes an order or a pause."""

    def __init__(self) -> None:
        self._ones: defaultdict[UUID, _One] = defaultdict(_One)

    def of(
        self,
        mitigation_id: UUID,
        *,
        now: datetime,
        time: float,
        running: Action | None = None,
        waits_for_older: bool = False,
    ) -> OnSession:
        """The same with times of the database's clock, which says `now` at `time`. `running`: what is under way."""
        one = self._ones[mitigation_id]
        not_before = one.not_before | ({running: time + UNDER_WAY_S} if running else {})

        def at(then: float) -> datetime:
            return now + timedelta(seconds=then - time)

        return OnSession(
            is_introduced=one.is_introduced,
            is_absent=one.is_absent,
            dots_status=one.dots_status,
            reported_at=None if one.dots_status is None else at(one.reported_at),
            tells_no_status=one.tells_no_status,
            waits_for_older=waits_for_older,
            not_before={action: at(until) for action, until in not_before.items()},
        )

    def is_introduced(self, mitigation_id: UUID) -> bool:
        return self._ones[mitigation_id].is_introduced

    def is_known(self, mitigation_id: UUID) -> bool:
        """The provider has said on this session what it does about it."""
        one = self._ones[mitigation_id]
        return one.is_absent or one.dots_status is not None

    def begun(self, mitigation_id: UUID, action: Action, *, time: float) -> None:
        self._ones[mitigation_id].not_before[action] = time + HOLD_S

    def failed(
        self, mitigation_id: UUID, action: Action, *, time: float, is_answered: bool
    ) -> None:
        """An answer that cannot be used, such as a refusal of a status, or none."""
        one = self._ones[mitigation_id]
        if action == Action.POLL:
            one.tells_no_status = is_answered
        first_s, most_s = HOLD_S, MAX_FAILED_S
        if action == Action.POLL:
            first_s, most_s = FAILED_POLL_S, MAX_FAILED_POLL_S
        doublings = min(one.failures[action], MAX_DOUBLINGS)
        one.failures[action] += 1
        one.not_before[action] = time + min(first_s * 2**doublings, most_s)

    def succeeded(self, mitigation_id: UUID, action: Action) -> None:
        one = self._ones[mitigation_id]
        del one.failures[action]
        if action == Action.POLL:
            one.tells_no_status = False

    def introduced(self, mitigation_id: UUID) -> None:
        one = self._ones[mitigation_id]
        one.is_introduced, one.is_absent = True, False

    def reported(self, mitigation_id: UUID, dots_status: int | None, *, time: float) -> None:
        """A notification or an answer. One without a status leaves the last one as old as it is."""
        self.introduced(mitigation_id)
        if dots_status is not None:
            one = self._ones[mitigation_id]
            one.dots_status, one.reported_at = dots_status, time

    def absent(self, mitigation_id: UUID) -> None:
        """4.04: the provider does not know it."""
        one = self._ones[mitigation_id]
        one.is_introduced, one.is_absent, one.dots_status = False, True, None

    def forget_all_but(self, live: Set[UUID]) -> None:
        for mitigation_id in self._ones.keys() - live:
            del self._ones[mitigation_id]
