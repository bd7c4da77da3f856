"""How often Python's interpreter lock (GIL) changes hands, in the processes that people
wait for.
"""

from __future__ import annotations

import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""The event loop shares the interpreter lock with the database threads.

With Python's default of 5 ms, one switch may take as long as the whole path to a provider (measured
with scripts/bench).
"""


def shorten_switch_interval() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
