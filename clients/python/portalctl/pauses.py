"""How long to wait before another try."""

from __future__ import annotations

import secrets
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 60.0


def pause_s(tries: int, retry_after_s: int | None = None, chance: float | None = None) -> float:
    """Seconds after `tries` failures, 1 or more: doubled each time, at most a minute.

    A random part, `chance` of 0 to 1, keeps many programs from coming back at the same moment. The
    portal's own `Retry-After` is a lower bound, up to the same minute.
    """
    part = secrets.randbelow(1000) / 1000 if chance is None else chance
    doubled = min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 10))
    wanted = min(LONGEST_S, float(retry_after_s or 0))
    return max(wanted, doubled * (0.5 + part / 2))
