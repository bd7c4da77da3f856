"""The writes of this app, named as verbs: `services.configure(...)`, `services.admit(...)`."""

from __future__ import annotations

from portal.sso.services.admission import Admitted, admit, record_refused, verdict
from portal.sso.services.configure import Setup, configure, remove
from portal.sso.services.domains import ask_check, begin_rechecks, make_due_checks
from portal.sso.services.ending import end_orphaned_tokens
from portal.sso.services.step_up import step_up

__all__ = [
    "Admitted",
    "Setup",
    "admit",
    "ask_check",
    "begin_rechecks",
    "configure",
    "end_orphaned_tokens",
    "make_due_checks",
    "record_refused",
    "remove",
    "step_up",
    "verdict",
]
