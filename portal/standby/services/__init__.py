"""The writes of this app, as plain verbs: `services.create_plan(...)`, `services.start_drill(...)`."""

from __future__ import annotations

from portal.standby.services.drills import follow_drills, start_drill
from portal.standby.services.plans import (
    activate,
    change_plan,
    create_plan,
    finish_changes,
    remove_plan,
    turn_off,
    turn_on,
)

__all__ = [
    "activate",
    "change_plan",
    "create_plan",
    "finish_changes",
    "follow_drills",
    "remove_plan",
    "start_drill",
    "turn_off",
    "turn_on",
]
