"""How Python's threads take turns in the processes a person waits for."""

from __future__ import annotations

import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""An event loop shares the interpreter lock with the threads that talk to the database. With Python's own 5 ms one
hand-over may cost as much as the whole way to a provider; measured with scripts/bench."""


def hand_over_quickly() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
