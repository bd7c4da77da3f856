"""What a 4.09 or a status 7 means for the next request (RFC 9132 section 4.4.1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dots_client.model import ConflictCause, ConflictInformation

RETRY_MARGIN_S: Final = 45
"""Seconds that a deactivated request lives beyond its retry-timer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWindow:
    """When a deactivated or rejected request may be sent again, on the clock of `now`."""

    opens_at: float
    "not before"
    closes_at: float
    "later the server has deleted it, and the same request is a new one"


def retry_window(conflict: ConflictInformation, *, now: float) -> RetryWindow | None:
    """The window that opens when the retry-timer of `conflict`, received at `now`, ends.

    None without a retry-timer: then only another request, or another cuid, can succeed.
    """
    if conflict.retry_timer_s is None:
        return None
    opens_at = now + conflict.retry_timer_s
    return RetryWindow(opens_at=opens_at, closes_at=opens_at + RETRY_MARGIN_S)


def own_winner(conflict: ConflictInformation) -> int | None:
    """The mid of the client's own request that won; None for any other conflict."""
    return conflict.mid if conflict.cause is ConflictCause.OVERLAPPING_TARGETS else None


def needs_new_cuid(conflict: ConflictInformation) -> bool:
    """Whether another client has this cuid, so that the request needs a new one (SC-030)."""
    return conflict.cause is ConflictCause.CUID_COLLISION
