"""Which passwords are refused, and that a new one ends access, whether a page, the staff site or
`manage.py changepassword` set it.
"""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from portal.accounts import account_mails, services
from portal.accounts.audited import current_actor, record_about
from portal.accounts.guessable import is_guessable
from portal.accounts.models import User, WhyEnded
from portal.audit.origin import current_user
from portal.audit.verbs import Verb
from portal.core.errors import Unavailable
from portal.core.leaked_passwords import is_leaked
from portal.core.security_log import SecurityEvent, record

logger = logging.getLogger(__name__)


class NotGuessedFirst(CommonPasswordValidator):
    """One of AUTH_PASSWORD_VALIDATORS: refuses the common passwords of Django's list, and what is
    made of one of them, of our own words and names, and of rows of keys.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        super().validate(password, user)
        names = [settings.PORTAL_NAME, *settings.ALLOWED_HOSTS]
        if user is not None:
            names += [user.username, user.email.partition("@")[0]]
        if is_guessable(password, common=self.passwords, names=names):
            raise ValidationError(
                "This password is guessed early: it is made of a common one, of names, or of rows "
                "of keys. Use three or four words that do not belong together.",
                code="password_guessable",
            )


class NotLeaked:
    """One of AUTH_PASSWORD_VALIDATORS: refuses the passwords of PORTAL_LEAKED_PASSWORDS, if it
    names a list. Without its list it accepts none.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        path = settings.PORTAL_LEAKED_PASSWORDS
        if not path:
            return
        try:
            is_known = is_leaked(password, path)
        except OSError as error:
            logger.exception("the list of leaked passwords cannot be read")
            raise Unavailable("The portal cannot check new passwords right now.") from error
        if is_known:
            raise ValidationError(
                "This password is in lists of stolen passwords. Use another one, and change it "
                "wherever else you use it.",
                code="password_leaked",
            )

    def get_help_text(self) -> str:
        return "Passwords that were stolen elsewhere are refused."


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
            services.end_access(user=user, why=WhyEnded.PASSWORD)
            _note_who_chose(user)
            services.tell(user, account_mails.password_changed(username=user.username))
            record_about(Verb.PASSWORD_CHANGED, user, actor=current_actor())
            record(SecurityEvent.PASSWORD_CHANGED, user=user.username)


def _note_who_chose(user: User) -> None:
    """A password that staff or a person with a shell set must be changed at the first sign-in."""
    by = current_user()
    is_own = user.password_is_own or (by is not None and by.pk == user.pk)
    user.must_change_password = user.has_usable_password() and not is_own
    User.objects.filter(pk=user.pk).update(must_change_password=user.must_change_password)
