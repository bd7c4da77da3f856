"""A browser's session: partly open after the password, fully open after the code."""

from __future__ import annotations

import math
import time
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Final

import django_otp
from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import SecondFactor, User
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.addresses import address_of
from portal.core.broadcast import access_changed_on_commit

PASSWORD_ONLY_SESSION: Final = timedelta(minutes=10)
"""How long the session stays open after the password, until the code."""
_PASSWORD_AT: Final = "password_at"  # noqa: S105 — a key of the session
_FACTOR_AT: Final = "factor_at"
_ENROLMENT_KEY: Final = "enrolment_key"


def open_session(request: HttpRequest, user: User) -> None:
    """After a correct password: only the pages of the second factor are reachable."""
    # A thief of the earlier session key does not get the new one, nor the authenticator key that it
    # will show.
    request.session.cycle_key()
    request.session.pop(_ENROLMENT_KEY, None)
    auth.login(request, user)
    request.session[_PASSWORD_AT] = time.time()
    request.session.set_expiry(timezone.now() + PASSWORD_ONLY_SESSION)


def has_fresh_password(session: SessionBase) -> bool:
    """Whether the password was given in this session and the code is still missing.

    False for a session whose factor was reset: its holder may not know the password.
    """
    at = session.get(_PASSWORD_AT)
    return isinstance(at, float) and 0 <= time.time() - at <= PASSWORD_ONLY_SESSION.total_seconds()


def complete_session(request: HttpRequest, device: SecondFactor) -> None:
    """After a correct second factor: a new session key and a fixed end."""
    request.session.cycle_key()
    request.session.pop(_PASSWORD_AT, None)
    request.session.pop(_ENROLMENT_KEY, None)
    django_otp.login(request, device)
    note_factor(request.session)
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))


def note_factor(session: SessionBase) -> None:
    """The second factor was given now."""
    session[_FACTOR_AT] = time.time()


def factor_age_s(session: SessionBase) -> float:
    """Seconds since the second factor was given in this session; infinite if unknown."""
    at = session.get(_FACTOR_AT)
    return time.time() - at if isinstance(at, float) else math.inf


def sign_out(request: HttpRequest) -> None:
    user = request.user
    auth.logout(request)
    if isinstance(user, User):
        record_about(Verb.SIGNED_OUT, user, actor=Actor.person(user), address=address_of(request))
        access_changed_on_commit(user.pk)


def keep_enrolment_key(session: SessionBase, key: bytes) -> None:
    """Encrypted, because the database stores authenticator keys only encrypted, and sessions are
    rows too.
    """
    session[_ENROLMENT_KEY] = b64encode(secrets.encrypt(key)).decode()


def enrolment_key(session: SessionBase) -> bytes | None:
    """The key that this session shows; None if there is none or it can no longer be decrypted."""
    kept = session.get(_ENROLMENT_KEY)
    if not kept:
        return None
    return secrets.try_decrypt(b64decode(kept))
