"""A new password ends access, whether a page, the staff site or `manage.py
changepassword` set it.
"""

from __future__ import annotations

from portal.accounts import services
from portal.accounts.audited import current_actor, record_about
from portal.accounts.models import User
from portal.audit.verbs import Verb
from portal.core.security_log import SecurityEvent, record


class NewPasswordEndsAccess:
    """One of AUTH_PASSWORD_VALIDATORS: Django calls `password_changed` after it saves a new
    password.

    A browser stays signed in if its view calls `update_session_auth_hash` afterwards, as Django's
    views do.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Accepts every password."""

    def get_help_text(self) -> str:
        return "Every other browser and device is signed out."

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None:
            services.end_access(user=user)
            record_about(Verb.PASSWORD_CHANGED, user, actor=current_actor())
            record(SecurityEvent.PASSWORD_CHANGED, user=user.username)
