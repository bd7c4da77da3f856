"""The writes of this app, as plain verbs: `services.create_plan(...)`,
`services.start_drill(...)`.
"""

from __future__ import annotations

from portal.standby.services.activate import activate
from portal.standby.services.drills import follow_drills, start_drill
from portal.standby.services.plan_content import problems, proposal_of, submission_of
from portal.standby.services.plan_versions import finish_changes, versions
from portal.standby.services.plans import (
    change_plan,
    create_plan,
    edit_plan,
    remove_plan,
    turn_off,
    turn_on,
)
from portal.standby.services.stop_filtering import stop_filtering

__all__ = [
    "activate",
    "change_plan",
    "create_plan",
    "edit_plan",
    "finish_changes",
    "follow_drills",
    "problems",
    "proposal_of",
    "remove_plan",
    "start_drill",
    "stop_filtering",
    "submission_of",
    "turn_off",
    "turn_on",
    "versions",
]
