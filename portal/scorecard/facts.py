"""What a scorecard is computed from, free of rows: what became of each mitigation, and when
sessions were up. All times are the portal's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class RefusalReason:
    """The code of a refusal, such as 4.09, and the conflict cause that came with it."""

    code: str
    cause: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMitigation:
    """One provider's part of one request."""

    organization: UUID
    provider: UUID
    requested_at: datetime
    """of its request: the month in which it counts"""
    is_drill: bool = False
    sent_at: datetime | None = None
    """the first copy left the portal; None: nothing was sent"""
    accepted_at: datetime | None = None
    """the first time that the provider held it"""
    filtering_at: datetime | None = None
    """the first report that it drops attack traffic (status 2, 3 or 4)"""
    stop_asked_at: datetime | None = None
    """its withdrawal was asked for"""
    stopped_at: datetime | None = None
    """the provider said that it no longer holds it; None: it has not said so"""
    is_over: bool = False
    reasons: frozenset[RefusalReason] = frozenset()
    """why the provider refused to hold it, each once"""
    has_looped: bool = False
    """gateways passed it round in a loop (5.08)"""
    was_exceeded: bool = False
    """the provider reported that the attack exceeded its capacity (status 4)"""
    was_put_off: bool = False
    """the provider asked to wait, such as 5.03 with Max-Age"""
    attack_status: int | None = None
    """what a person reported last: 1 under attack, 2 successfully mitigated"""
    lacks_events: bool = False
    """the row says that something was sent or confirmed, and the log no longer says when"""


class SessionPhase(StrEnum):
    """What is known about a session at a time."""

    UP = "up"
    DOWN = "down"
    """No session, and the portal was there to have one."""
    NOT_MEASURED = "not_measured"
    """The portal itself is the reason, did not try, or recorded nothing."""


@dataclass(frozen=True, slots=True)
class SessionChange:
    """From `at` on, the session was in this phase."""

    at: datetime
    phase: SessionPhase
