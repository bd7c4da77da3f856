"""The security log: one line for each event, on the logger `portal.security` (docs/operations.md,
"The security log").
"""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from typing import Final

logger = logging.getLogger("portal.security")

MAX_FACT_LENGTH: Final = 200


class SecurityEvent(StrEnum):
    """The event of a line, its first word.

    The documentation and operators' alerts depend on these.
    """

    SIGN_IN = "sign-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGN_IN_SLOWED = "sign-in-slowed"
    STEP_UP = "step-up"
    FACTOR_ENROLLED = "factor-enrolled"
    FACTOR_REMOVED = "factor-removed"
    RECOVERY_CODES_RENEWED = "recovery-codes-renewed"
    FACTOR_RESET = "factor-reset"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 — a word of the log
    SESSION_ENDED = "session-ended"
    TOKEN_ISSUED = "token-issued"  # noqa: S105 — a word of the log
    TOKEN_ENDED = "token-ended"  # noqa: S105 — a word of the log
    TOKEN_REFUSED = "token-refused"  # noqa: S105 — a word of the log
    PERSON_DEACTIVATED = "person-deactivated"
    MEMBERSHIP_REFUSED = "membership-refused"
    RESOURCE_VERIFIED = "resource-verified"
    RESOURCE_REFUSED = "resource-refused"
    RESOURCE_UNVERIFIED = "resource-unverified"
    RESOURCE_REMOVED = "resource-removed"
    SINGLE_SIGN_ON_CHANGED = "single-sign-on-changed"
    AUDIT_HEAD = "audit-head"
    ADMIN_REMOVED = "admin-removed"
    STAFF_ACTING = "staff-acting"
    STAFF_CHANGED = "staff-changed"
    ADMIN_ACTION = "admin-action"


UNBOUNDED_BY_OTHERS: Final = frozenset(
    {
        SecurityEvent.SIGN_IN_REFUSED,
        SecurityEvent.SIGN_IN_SLOWED,
        SecurityEvent.MEMBERSHIP_REFUSED,
        SecurityEvent.TOKEN_REFUSED,
    }
)
"""Events that anyone can cause at any rate. portal.core.logs limits them per minute."""


def record(event: SecurityEvent, **facts: str) -> None:
    """Write one line: `sign-in user="alice" address="192.0.2.1" …`. Never pass a secret.

    Values are JSON strings in ASCII, so that a value cannot start a new line or look like another
    fact.
    """
    facts = {name: value[:MAX_FACT_LENGTH] for name, value in facts.items()}
    text = " ".join(f"{name}={json.dumps(value)}" for name, value in facts.items())
    logger.info("%s %s", event, text, extra={"security_event": event, "facts": facts})
