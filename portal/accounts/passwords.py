"""What a new password ends, whatever set it: a page, the staff's site, `manage.py changepassword`."""

from __future__ import annotations

from portal.accounts import services
from portal.accounts.models import User
from portal.core.security_log import Event, record


class NewPasswordEndsAccess:
    """Among AUTH_PASSWORD_VALIDATORS, whose `password_changed` Django calls after a new password is saved.

    A browser stays signed in where its view calls `update_session_auth_hash` afterwards, as Django's do.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Every password will do."""

    def get_help_text(self) -> str:
        return "Every other browser and device is signed out."

    def password_changed(self, password: str, user: User | None = None) -> None:
        if user is not None:
            services.end_access(user=user)
            record(Event.PASSWORD_CHANGED, user=user.username)
