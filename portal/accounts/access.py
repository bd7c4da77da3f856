"""The only way from a presented credential to a person."""

from __future__ import annotations

import hmac
import logging
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ValidationError
from django.db import Error
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from knox.crypto import hash_token

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.core.database import is_away

logger = logging.getLogger(__name__)

MAX_TOKEN_LENGTH: Final = 128
LAST_USED_PRECISION: Final = timedelta(minutes=1)
"""The precision of `last_used_at`, since one write per call would be too many."""


def person_of(request: HttpRequest) -> User:
    """The person of a request that passed RequireSecondFactor, which refuses all others."""
    assert isinstance(request.user, User)
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    return Actor.person(person_of(request))


def token_for(plain: str) -> ApiToken | None:
    """The live token of an active person."""
    if not plain.isascii() or len(plain) > MAX_TOKEN_LENGTH:
        return None
    now = timezone.now()
    token: ApiToken | None = (
        ApiToken.objects.select_related("user")
        .filter(Q(expiry__isnull=True) | Q(expiry__gt=now))
        .filter(digest=hash_token(plain), user__is_active=True)
        .first()
    )
    if token is not None:
        _note_use(token, now)
    return token


def _note_use(token: ApiToken, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < LAST_USED_PRECISION:
        return
    try:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    except Error as error:
        # A read-only database still answers reads.
        if not is_away(error):
            raise
        logger.warning("the use of a token was not recorded: %s", error)


def user_of_session(session_key: str) -> User | None:
    """The person of a live session whose second factor is done."""
    session = SessionStore(session_key)
    if BACKEND_SESSION_KEY not in session:
        return None
    user = _user_with_id(str(session.get(SESSION_KEY, "")))
    if user is None or not _password_is_unchanged(user, session):
        return None
    device = Device.from_persistent_id(session.get(DEVICE_ID_SESSION_KEY) or "")
    if device is None or device.user_id != user.pk or not device.confirmed:
        return None
    return user


def _user_with_id(user_id: str) -> User | None:
    try:
        return User.objects.filter(pk=user_id, is_active=True).first()
    except ValidationError:
        return None


def _password_is_unchanged(user: User, session: SessionBase) -> bool:
    kept = str(session.get(HASH_SESSION_KEY) or "")
    return any(
        hmac.compare_digest(kept, known)
        for known in [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    )
