"""How long a provider may wind down after it was told to stop (RFC 9132 section 4.4.4)."""

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
"""After it was told to stop a provider may go on for so long, and not longer (RFC 9132 section
4.4.4).
"""


def has_stopped(mitigation: Mitigation, *, now: datetime) -> bool:
    """It ended, or the longest time a provider may wind down is over (RFC 9132 section 4.4.4)."""
    told_at = mitigation.withdrawal_confirmed_at
    return mitigation.is_over or (told_at is not None and told_at + WIND_DOWN_AT_MOST <= now)


def winds_down_until(mitigation: Mitigation) -> datetime | None:
    """Until when the provider that was told to stop, or said that it does (5), may take to report
    the end; None: it was not, and did not.
    """
    since = mitigation.withdrawal_confirmed_at
    if since is None and mitigation.dots_status == WINDING_DOWN:
        since = mitigation.reported_at
    is_ending = mitigation.status == Status.TERMINATING
    return since + WIND_DOWN_AT_MOST if is_ending and since is not None else None
