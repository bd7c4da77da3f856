"""When to retry the release of a mitigation that a provider still holds in standby after it
confirmed the withdrawal.

Some servers do this (go-dots), and activate the mitigation when a session is lost. A PUT with a
lifetime of 1 ends it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from portal.mitigations.states import IN_STANDBY

STILL_HELD_AFTER: Final = timedelta(seconds=3)
"""A report received sooner after the confirmation may have been sent before it."""
RELEASE_AGAIN_AFTER: Final = timedelta(seconds=15)
MAX_RELEASE_PAUSE: Final = timedelta(minutes=5)
"""The longest pause between two attempts; each pause is twice the previous one."""
MAX_RELEASE_TRIES: Final = 8
"""After the last attempt only a person can have it removed."""


def is_held_after_withdrawal(
    confirmed_at: datetime | None, *, dots_status: int | None, reported_at: datetime | None
) -> bool:
    """Whether the provider still reports it in standby after confirming the withdrawal."""
    if dots_status != IN_STANDBY or confirmed_at is None or reported_at is None:
        return False
    return reported_at - confirmed_at >= STILL_HELD_AFTER


def release_due_at(last_try_at: datetime | None, tries: int, now: datetime) -> datetime:
    if last_try_at is None:
        return now
    doublings: int = 2 ** max(0, tries - 1)
    return last_try_at + min(RELEASE_AGAIN_AFTER * doublings, MAX_RELEASE_PAUSE)
