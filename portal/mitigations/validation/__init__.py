"""Check a submission against an organization's resources, providers and policy: pure functions.

Field paths are those of the API ("targets.prefixes.0"), so that pages and programs get the same
errors.
"""

from __future__ import annotations

from portal.mitigations.validation.encoding import (
    can_be_sent,
    encoded,
    message_bytes,
    wire_scope,
)
from portal.mitigations.validation.lifetimes import (
    INDEFINITE,
    MIN_LIFETIME_S,
    hours,
    lifetime_problem,
    within_limits,
)
from portal.mitigations.validation.note_text import MAX_NOTE_LENGTH, checked_note
from portal.mitigations.validation.ports_and_protocols import MAX_PORT_RANGES, MAX_PROTOCOLS
from portal.mitigations.validation.providers import assign_scope, assign_scopes, limits_in_words
from portal.mitigations.validation.submission import (
    MAX_NAMED_ERRORS,
    MAX_TARGETS,
    AssignedScope,
    Checked,
    EligibleProvider,
    Policy,
    Resource,
    Submission,
)
from portal.mitigations.validation.submission_check import MAX_REASON_LENGTH, check
from portal.mitigations.validation.targets import MESSAGE_LIMIT_BYTES

__all__ = [
    "INDEFINITE",
    "MAX_NAMED_ERRORS",
    "MAX_NOTE_LENGTH",
    "MAX_PORT_RANGES",
    "MAX_PROTOCOLS",
    "MAX_REASON_LENGTH",
    "MAX_TARGETS",
    "MESSAGE_LIMIT_BYTES",
    "MIN_LIFETIME_S",
    "AssignedScope",
    "Checked",
    "EligibleProvider",
    "Policy",
    "Resource",
    "Submission",
    "assign_scope",
    "assign_scopes",
    "can_be_sent",
    "check",
    "checked_note",
    "encoded",
    "hours",
    "lifetime_problem",
    "limits_in_words",
    "message_bytes",
    "wire_scope",
    "within_limits",
]
