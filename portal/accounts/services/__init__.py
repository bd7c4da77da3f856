"""The writes of this app, named as verbs: `services.check_password(...)`,
`services.reset_second_factor(...)`.
"""

from __future__ import annotations

from portal.accounts.services.end_access import end_access, reset_second_factor
from portal.accounts.services.enrolment import (
    Enrolment,
    begin_enrolment,
    confirm_enrolment,
    renew_recovery_codes,
)
from portal.accounts.services.known_devices import remember
from portal.accounts.services.sessions import (
    complete_session,
    open_session,
    sign_out,
)
from portal.accounts.services.sign_in_limits import MAX_USERNAME_LENGTH, count_try
from portal.accounts.services.sign_in_steps import (
    MAX_PASSWORD_LENGTH,
    check_password,
    check_second_factor,
    sign_in,
)
from portal.accounts.services.step_up import require_fresh_factor, step_up
from portal.accounts.services.tokens import (
    MAX_DEVICE_NAME_LENGTH,
    MAX_DEVICES_PER_USER,
    IssuedToken,
    issue_token,
    prune,
    revoke_token,
)

__all__ = [
    "MAX_DEVICES_PER_USER",
    "MAX_DEVICE_NAME_LENGTH",
    "MAX_PASSWORD_LENGTH",
    "MAX_USERNAME_LENGTH",
    "Enrolment",
    "IssuedToken",
    "begin_enrolment",
    "check_password",
    "check_second_factor",
    "complete_session",
    "confirm_enrolment",
    "count_try",
    "end_access",
    "issue_token",
    "open_session",
    "prune",
    "remember",
    "renew_recovery_codes",
    "require_fresh_factor",
    "reset_second_factor",
    "revoke_token",
    "sign_in",
    "sign_out",
    "step_up",
]
