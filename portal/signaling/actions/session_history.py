"""What one session has shown about each mitigation, and when failed actions may be retried.

Ends with the session.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal.signaling.actions.next_action import Action, MitigationHistory

MIN_ACTION_INTERVAL_S: Final = 3.0
"""The shortest time between two starts of the same action of one mitigation, whatever
the rows say.
"""
FAILED_POLL_S: Final = 15.0
"""The pause after a poll that gave no status: first the usual one, then doubled each time."""
MAX_FAILED_POLL_S: Final = 120.0
MAX_FAILED_S: Final = 30.0
"""Any other failed action pauses for MIN_ACTION_INTERVAL_S, doubled each time up to this."""
MAX_DOUBLINGS: Final = 5
RUNNING_ACTION_S: Final = 3600.0
"""A running action must not start again, so `next_action` treats it as paused for this long."""


@dataclass(slots=True)
class _Entry:
    is_introduced: bool = False
    is_absent: bool = False
    dots_status: int | None = None
    reported_at: float = 0.0
    tells_no_status: bool = False
    failures: Counter[Action] = field(default_factory=Counter)
    not_before: dict[Action, float] = field(default_factory=dict)


class SessionHistory:
    """Every `time` is the event loop's, in seconds, so that a change of the system clock affects
    neither order nor pauses.
    """

    def __init__(self) -> None:
        self._entries: defaultdict[UUID, _Entry] = defaultdict(_Entry)

    def of(
        self,
        mitigation_id: UUID,
        *,
        now: datetime,
        time: float,
        running: Action | None = None,
        waits_for_older: bool = False,
    ) -> MitigationHistory:
        """The history of one mitigation, in times of the database's clock, which reads `now` at
        `time`. `running`: the action under way.
        """
        entry = self._entries[mitigation_id]
        not_before = entry.not_before | ({running: time + RUNNING_ACTION_S} if running else {})

        def at(then: float) -> datetime:
            return now + timedelta(seconds=then - time)

        return MitigationHistory(
            is_introduced=entry.is_introduced,
            is_absent=entry.is_absent,
            dots_status=entry.dots_status,
            reported_at=None if entry.dots_status is None else at(entry.reported_at),
            tells_no_status=entry.tells_no_status,
            waits_for_older=waits_for_older,
            not_before={action: at(until) for action, until in not_before.items()},
        )

    def is_introduced(self, mitigation_id: UUID) -> bool:
        return self._entries[mitigation_id].is_introduced

    def is_known(self, mitigation_id: UUID) -> bool:
        """Whether the provider has reported on this mitigation on this session."""
        entry = self._entries[mitigation_id]
        return entry.is_absent or entry.dots_status is not None

    def begun(self, mitigation_id: UUID, action: Action, *, time: float) -> None:
        self._entries[mitigation_id].not_before[action] = time + MIN_ACTION_INTERVAL_S

    def failed(
        self,
        mitigation_id: UUID,
        action: Action,
        *,
        time: float,
        is_answered: bool,
        wait_s: float = 0.0,
    ) -> None:
        """The action got no answer, or an unusable one, such as a refused poll.

        `wait_s`: the pause that it asks for.
        """
        entry = self._entries[mitigation_id]
        if action == Action.POLL:
            entry.tells_no_status = is_answered
        first_s, most_s = MIN_ACTION_INTERVAL_S, MAX_FAILED_S
        if action == Action.POLL:
            first_s, most_s = FAILED_POLL_S, MAX_FAILED_POLL_S
        doublings = min(entry.failures[action], MAX_DOUBLINGS)
        entry.failures[action] += 1
        entry.not_before[action] = time + max(min(first_s * 2**doublings, most_s), wait_s)

    def succeeded(self, mitigation_id: UUID, action: Action) -> None:
        entry = self._entries[mitigation_id]
        del entry.failures[action]
        if action == Action.POLL:
            entry.tells_no_status = False

    def introduced(self, mitigation_id: UUID) -> None:
        entry = self._entries[mitigation_id]
        entry.is_introduced, entry.is_absent = True, False

    def reported(self, mitigation_id: UUID, dots_status: int | None, *, time: float) -> None:
        """A notification or an answer arrived.

        Without a status it does not make the last status any newer.
        """
        self.introduced(mitigation_id)
        if dots_status is not None:
            entry = self._entries[mitigation_id]
            entry.dots_status, entry.reported_at = dots_status, time

    def absent(self, mitigation_id: UUID) -> None:
        """The provider answered 4.04: it does not know the mitigation."""
        entry = self._entries[mitigation_id]
        entry.is_introduced, entry.is_absent, entry.dots_status = False, True, None

    def forget_all_but(self, live: Set[UUID]) -> None:
        for mitigation_id in self._entries.keys() - live:
            del self._entries[mitigation_id]
