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
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django_otp.models import Device

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.enrolled import FACTORS
from portal.accounts.models import KnownDevice, User
from portal.accounts.services.browsers import carry_browser_over, note_signed_in
from portal.accounts.session_store import MUST_CHOOSE_PASSWORD, SessionStore
from portal.accounts.signals import credential_ending
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.addresses import address_of
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import InvalidCredentials

PASSWORD_ONLY_SESSION: Final = timedelta(minutes=10)
"""How long the session stays open after the password, until the code."""
FEDERATED_SESSION: Final = timedelta(hours=8)
"""How long a session lasts that an organization's identity provider opened."""
_FEDERATED: Final = "federated_factor"
_PASSWORD_AT: Final = "password_at"  # noqa: S105 — a key of the session
_FACTOR_AT: Final = "factor_at"
_FIRST_STEP_AT: Final = "first_step_at"
_ENROLMENT_KEY: Final = "enrolment_key"
_KNOWN_DEVICE: Final = "known_device"


def open_session(
    request: HttpRequest,
    user: User,
    *,
    vouched_by: Device | None = None,
    has_password: bool = True,
) -> None:
    """After a correct password: only the pages of the second factor are reachable.

    `vouched_by`: an identity provider did the first step. The session stays bound to this factor,
    and ends with it, whatever the second step is. `has_password`: False if a passkey did it.
    """
    # A thief of the earlier session key does not get the new one, nor the authenticator key that it
    # will show.
    request.session.cycle_key()
    request.session.pop(_ENROLMENT_KEY, None)
    auth.login(request, user)
    request.session[_PASSWORD_AT] = time.time()
    request.session.pop(_FEDERATED, None)
    request.session.pop(MUST_CHOOSE_PASSWORD, None)
    if user.must_change_password and has_password and vouched_by is None:
        request.session[MUST_CHOOSE_PASSWORD] = True
    if vouched_by is not None:
        request.session[_FEDERATED] = vouched_by.persistent_id
    request.session.set_expiry(timezone.now() + PASSWORD_ONLY_SESSION)


def has_fresh_password(session: SessionBase) -> bool:
    """Whether the password was given in this session and the code is still missing.

    False for a session whose factor was reset: its holder may not know the password.
    """
    at = session.get(_PASSWORD_AT)
    return isinstance(at, float) and 0 <= time.time() - at <= PASSWORD_ONLY_SESSION.total_seconds()


def complete_session(request: HttpRequest, device: Device) -> None:
    """After a correct second factor: a new session key and a fixed end. InvalidCredentials if
    single sign-on ended between the steps.
    """
    vouched_by = request.session.get(_FEDERATED)
    if vouched_by is not None:
        device = Device.from_persistent_id(vouched_by)
        if device is None:
            auth.logout(request)
            raise InvalidCredentials
    request.session.cycle_key()
    request.session.pop(_PASSWORD_AT, None)
    request.session.pop(_ENROLMENT_KEY, None)
    django_otp.login(request, device)
    note_sign_in(request.session)
    ordinary = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    lasts = min(FEDERATED_SESSION, ordinary) if vouched_by is not None else ordinary
    request.session.set_expiry(timezone.now() + lasts)
    note_signed_in(request, device.user_id)


def is_federated(session: SessionBase) -> bool:
    """Whether an identity provider did the first step of this session."""
    return _FEDERATED in session


def must_choose_password(session: SessionBase) -> bool:
    """Whether the session was opened with a password that someone else chose: nothing else opens
    before its person has chosen another one.
    """
    return MUST_CHOOSE_PASSWORD in session


def note_sign_in(session: SessionBase) -> None:
    """Both steps were done now."""
    note_first_step(session)
    note_factor(session)


def note_first_step(session: SessionBase) -> None:
    """The password was given now, or a passkey or an identity provider took its place."""
    session[_FIRST_STEP_AT] = time.time()


def note_factor(session: SessionBase) -> None:
    """The second factor was given now."""
    session[_FACTOR_AT] = time.time()


def factor_age_s(session: SessionBase) -> float:
    """Seconds since the second factor was given in this session; infinite if unknown."""
    return _age_s(session, _FACTOR_AT)


def first_step_age_s(session: SessionBase) -> float:
    """Seconds since the first step was done in this session; infinite if unknown."""
    return _age_s(session, _FIRST_STEP_AT)


def _age_s(session: SessionBase, key: str) -> float:
    at = session.get(key)
    return time.time() - at if isinstance(at, float) else math.inf


def carry_over(request: HttpRequest, user: User) -> None:
    """After a new password this session stays open, with a new key. `user`: as it is saved now."""
    browser = request.session.browser if isinstance(request.session, SessionStore) else None
    request.session.pop(MUST_CHOOSE_PASSWORD, None)
    auth.update_session_auth_hash(request, user)
    carry_browser_over(request, browser)


def stay_verified(request: HttpRequest, user: User) -> None:
    """If the factor that opened this session is gone, another one of the person takes its place
    here: the person has just given one. Other sessions end with their factor, and so does one that
    an identity provider opened.
    """
    if is_federated(request.session):
        return
    device = request.user.otp_device  # type: ignore[union-attr]  # django-otp sets it
    if type(device).objects.filter(pk=device.pk).exists():
        return
    for kind in FACTORS:
        other = kind._default_manager.filter(user=user, confirmed=True).order_by("pk").first()
        if isinstance(other, Device):
            django_otp.login(request, other)
            return


@transaction.atomic
def sign_out(request: HttpRequest) -> None:
    user = request.user
    if isinstance(user, User):
        credential_ending.send(sender=None, credential=request.session, user=user)
    auth.logout(request)
    if isinstance(user, User):
        record_about(Verb.SIGNED_OUT, user, actor=Actor.person(user), address=address_of(request))
        access_changed_on_commit(user.pk)


def note_known_device(session: SessionBase, device: KnownDevice) -> None:
    """Its person uses this session in the browser `device`."""
    session[_KNOWN_DEVICE] = device.pk


def known_device_id(session: SessionBase) -> int | None:
    """The browser of this session; None: it is not known."""
    found = session.get(_KNOWN_DEVICE)
    return found if isinstance(found, int) else None


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


def forget_enrolment_key(session: SessionBase) -> None:
    session.pop(_ENROLMENT_KEY, None)
