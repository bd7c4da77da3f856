"""When a notice is tried again, and for how long its receiver's wishes hold it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PAUSES_S: Final = (10.0, 60.0, 300.0, 1800.0, 10800.0)
"""After the first try, the second and so on. The last failure has none: the notice is given up."""
MAX_TRIES: Final = len(PAUSES_S) + 1
JITTER: Final = 0.2
"""Share of a pause by which it is longer or shorter, so that receivers do not get all at once."""
MAX_RETRY_AFTER_S: Final = 3600.0
"""A receiver that asks for a longer pause gets this one."""
GIVE_UP_AFTER: Final = timedelta(hours=24)
"""A notice that is older is not tried again: its receiver was down all the time."""
PER_WINDOW: Final = 5
"""Messages that one person gets within WINDOW; what is more comes as a digest."""
WINDOW: Final = timedelta(minutes=10)


def pause_s(tries: int, *, chance: float, retry_after_s: float | None = None) -> float | None:
    """Seconds until the next try after this many; None: there is none.

    `chance`: 0 to 1, from a random source.
    """
    if tries >= MAX_TRIES:
        return None
    own = PAUSES_S[tries - 1] * (1 + JITTER * (2 * chance - 1))
    return max(own, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))


Quiet = tuple[time, time]
"""When quiet hours begin and end, in a person's zone; an end before the beginning is on the next
day.
"""


def quiet_texts(quiet: Quiet) -> tuple[str, str]:
    """Beginning and end, such as 22:00 and 07:00."""
    begins, ends = quiet
    return f"{begins:%H:%M}", f"{ends:%H:%M}"


def quiet_until(now: datetime, quiet: Quiet | None, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours end that `now` is in; None if it is in none."""
    if quiet is None:
        return None
    begins, ends = quiet
    local = now.astimezone(zone)
    at = local.time()
    is_quiet = begins <= at < ends if begins < ends else at >= begins or at < ends
    if not is_quiet:
        return None
    day: date = local.date() if at < ends else local.date() + timedelta(days=1)
    end = datetime.combine(day, ends, tzinfo=zone)
    # In the hour that a change of the clock repeats, the end can be its first pass.
    return max(end.astimezone(now.tzinfo), now)


def held_until(
    now: datetime,
    *,
    quiet: Quiet | None,
    zone: ZoneInfo,
    recent: Sequence[datetime],
    waiting_until: datetime | None,
) -> datetime | None:
    """Until when a notice to a person waits; None: it is sent now.

    `recent`: when the last messages to the person were queued. `waiting_until`: when those that
    wait already are due; this one joins them.
    """
    newest = sorted(one for one in recent if now - WINDOW < one)[-PER_WINDOW:]
    found = [quiet_until(now, quiet, zone), waiting_until]
    if len(newest) == PER_WINDOW:
        found.append(newest[0] + WINDOW)
    return max((one for one in found if one is not None), default=None)
