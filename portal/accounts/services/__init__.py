"""The writes of this app, named as verbs: `services.check_password(...)`,
`services.reset_second_factor(...)`.
"""

from __future__ import annotations

from portal.accounts.services.app_setup import (
    MAX_SETUP_LENGTH,
    AppSetup,
    begin_app,
    key_of_setup,
)
from portal.accounts.services.change_email import ask_for_email, confirm_email, email_link
from portal.accounts.services.change_password import change_password, choose_password
from portal.accounts.services.end_access import end_access, reset_second_factor
from portal.accounts.services.enrolment import (
    Enrolment,
    begin_enrolment,
    confirm_enrolment,
    new_key,
)
from portal.accounts.services.factors import (
    MAX_AUTHENTICATORS,
    Factor,
    add_authenticator,
    factors_of,
    is_last,
    recovery_codes_left,
    remove_factor,
    rename_factor,
    renew_recovery_codes,
)
from portal.accounts.services.forgotten_passwords import ask_for_password, mail_links
from portal.accounts.services.known_devices import SignedInFrom, remember
from portal.accounts.services.new_account import add_account, has_account, new_account
from portal.accounts.services.own_sessions import (
    OwnSession,
    end_other_sessions,
    end_session,
    own_sessions,
)
from portal.accounts.services.passkeys import (
    MAX_PASSKEYS,
    add_passkey,
    begin_check,
    begin_passkey,
    enrol_with_passkey,
    has_passkey,
    sign_in_with_passkey,
    step_up_with_passkey,
)
from portal.accounts.services.profile import change_profile
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
from portal.accounts.services.step_up import (
    has_fresh_first_step,
    require_fresh_factor,
    require_fresh_sign_in,
    step_up,
)
from portal.accounts.services.tell import tell
from portal.accounts.services.tokens import (
    DEFAULT_TOKEN_DAYS,
    MAX_DEVICE_NAME_LENGTH,
    MAX_DEVICES_PER_USER,
    MAX_TOKEN_DAYS,
    MAX_TOKENS_PER_USER,
    IssuedToken,
    end_tokens,
    issue_token,
    make_token,
    named_tokens,
    prune,
    revoke_token,
)

__all__ = [
    "DEFAULT_TOKEN_DAYS",
    "MAX_AUTHENTICATORS",
    "MAX_DEVICES_PER_USER",
    "MAX_DEVICE_NAME_LENGTH",
    "MAX_PASSKEYS",
    "MAX_PASSWORD_LENGTH",
    "MAX_SETUP_LENGTH",
    "MAX_TOKENS_PER_USER",
    "MAX_TOKEN_DAYS",
    "MAX_USERNAME_LENGTH",
    "AppSetup",
    "Enrolment",
    "Factor",
    "IssuedToken",
    "OwnSession",
    "SignedInFrom",
    "add_account",
    "add_authenticator",
    "add_passkey",
    "ask_for_email",
    "ask_for_password",
    "begin_app",
    "begin_check",
    "begin_enrolment",
    "begin_passkey",
    "change_password",
    "change_profile",
    "check_password",
    "check_second_factor",
    "choose_password",
    "complete_session",
    "confirm_email",
    "confirm_enrolment",
    "count_try",
    "email_link",
    "end_access",
    "end_other_sessions",
    "end_session",
    "end_tokens",
    "enrol_with_passkey",
    "factors_of",
    "has_account",
    "has_fresh_first_step",
    "has_passkey",
    "is_last",
    "issue_token",
    "key_of_setup",
    "mail_links",
    "make_token",
    "named_tokens",
    "new_account",
    "new_key",
    "open_session",
    "own_sessions",
    "prune",
    "recovery_codes_left",
    "remember",
    "remove_factor",
    "rename_factor",
    "renew_recovery_codes",
    "require_fresh_factor",
    "require_fresh_sign_in",
    "reset_second_factor",
    "revoke_token",
    "sign_in",
    "sign_in_with_passkey",
    "sign_out",
    "step_up",
    "step_up_with_passkey",
    "tell",
]
