"""How long a provider may wind down after the portal withdraws its mitigation.

RFC 9132 section 4.4.4.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from portal.mitigations.models import (
    Mitigation,
)
from portal.mitigations.states import (
    WINDING_DOWN,
    Status,
)

WIND_DOWN_AT_MOST: Final = timedelta(seconds=300)
"""The longest time a provider may still filter after that."""


def has_stopped(mitigation: Mitigation, *, now: datetime) -> bool:
    """Whether it ended, or the longest time a provider may wind down is over (RFC 9132 section
    4.4.4).
    """
    confirmed_at = mitigation.withdrawal_confirmed_at
    return mitigation.is_over or (
        confirmed_at is not None and confirmed_at + WIND_DOWN_AT_MOST <= now
    )


def winds_down_until(mitigation: Mitigation) -> datetime | None:
    """The latest time at which a withdrawn provider, or one that reports status 5, reports the end;
    None if it is neither.
    """
    since = mitigation.withdrawal_confirmed_at
    if since is None and mitigation.dots_status == WINDING_DOWN:
        since = mitigation.reported_at
    is_ending = mitigation.status == Status.TERMINATING
    return since + WIND_DOWN_AT_MOST if is_ending and since is not None else None
