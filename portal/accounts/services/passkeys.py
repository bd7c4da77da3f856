"""Passkeys: a key pair in the person's device, phone or browser, which signs a challenge of the
portal (WebAuthn). The page shows the challenge, and its session keeps it.
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers.exceptions import WebAuthnException

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import User
from portal.accounts.passkey_helper import PasskeyHelper
from portal.accounts.services import sign_in_limits as limits
from portal.accounts.services.end_access import lock_person, lock_unchanged
from portal.accounts.services.enrolment import (
    TRIES_PER_ADDRESS,
    new_recovery_codes,
    refuse_second_enrolment,
)
from portal.accounts.services.factors import free_name, note_added
from portal.accounts.services.sessions import (
    complete_session,
    note_factor,
    note_sign_in,
    open_session,
)
from portal.accounts.signals import password_accepted
from portal.accounts.user_agents import device_words
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, InvalidCredentials
from portal.core.security_log import SecurityEvent, record

MAX_PASSKEYS: Final = 10
MAX_ANSWER_LENGTH: Final = 16_384
"""Characters of what a browser answers to a challenge."""
CHALLENGE_S: Final = 300
_ADDING: Final = "passkey_added"
_GIVEN: Final = "passkey_given"


def has_passkey(user: User) -> bool:
    return bool(WebAuthnCredential.objects.filter(user=user, confirmed=True).exists())


def begin_passkey(request: HttpRequest, user: User) -> str:
    """The options for a new passkey, as JSON for the browser. Conflict if there are too many."""
    if WebAuthnCredential.objects.filter(user=user).count() >= MAX_PASSKEYS:
        raise Conflict(
            f"You have {MAX_PASSKEYS} passkeys, which is the limit. Remove one first.",
            code="too-many-factors",
        )
    options, state = PasskeyHelper(request).register_begin(user=user)
    return _kept(request, _ADDING, options, state)


def add_passkey(request: HttpRequest, *, user: User, name: str, answer: str) -> WebAuthnCredential:
    """Save the passkey that the browser made for the options. Raises Invalid at the field."""
    state = _state_of(request, _ADDING)
    try:
        with transaction.atomic():
            person = lock_person(user)
            name = free_name(person, name)
            helper, data = PasskeyHelper(request), _parsed(answer)
            device: WebAuthnCredential = helper.register_complete(
                user=person, state=state, data=data
            )
            device.name = name
            device.save(update_fields=["name"])
            note_added(person, device)
    except (OTPWebAuthnApiError, WebAuthnException, IntegrityError):
        raise _refused() from None
    address = address_of(request)
    record(SecurityEvent.FACTOR_ENROLLED, user=person.username, address=address, factor=name)
    return device


def enrol_with_passkey(
    request: HttpRequest, *, user: User, answer: str
) -> tuple[WebAuthnCredential, tuple[str, ...]]:
    """The first factor is a passkey, with the name of the browser that made it. Saves it, and
    recovery codes that are never shown again.
    Raises Invalid at the field, Throttled, or Conflict if the person has a factor.
    """
    address = address_of(request)
    limits.count_try(TRIES_PER_ADDRESS, username=user.username, address=address, step="enrolment")
    state = _state_of(request, _ADDING)
    try:
        with transaction.atomic():
            lock_unchanged(user)
            refuse_second_enrolment(user)
            device: WebAuthnCredential = PasskeyHelper(request).register_complete(
                user=user, state=state, data=_parsed(answer)
            )
            device.name = device_words(request.headers.get("User-Agent", ""))
            device.save(update_fields=["name"])
            codes = new_recovery_codes(user=user)
            record_about(
                Verb.FACTOR_ENROLLED, user, actor=Actor.person(user), address=address, factor=device
            )
    except (OTPWebAuthnApiError, WebAuthnException, IntegrityError):
        raise _refused() from None
    record(SecurityEvent.FACTOR_ENROLLED, user=user.username, address=address, factor=device.name)
    return device, codes


def begin_check(request: HttpRequest, user: User | None, *, is_both: bool = False) -> str:
    """The options to give a passkey, as JSON for the browser. `user` None: a person who has not
    typed a password. Then, and if `is_both`, the passkey has to be both factors: the device asks
    for its PIN, a finger or a face.
    """
    options, state = PasskeyHelper(request).authenticate_begin(
        user=user, require_user_verification=is_both or user is None
    )
    return _kept(request, _GIVEN, options, state)


def sign_in_with_passkey(request: HttpRequest, *, user: User | None, answer: str) -> User:
    """Open the session. `user`: who gave the password in it; None: the passkey is both factors.

    Raises InvalidCredentials, Throttled, or OtherSignInRequired.
    """
    device = _checked(request, user=user, answer=answer, event=SecurityEvent.SIGN_IN)
    person: User = device.user
    if user is None:
        password_accepted.send(sender=User, user=person)
        # Django asks which of its backends checked the person, also at the next request.
        person.backend = settings.AUTHENTICATION_BACKENDS[0]
        open_session(request, person, has_password=False)
    complete_session(request, device)
    return person


def step_up_with_passkey(request: HttpRequest, *, user: User, answer: str) -> None:
    """Give the second factor again, with a passkey, in this session; and the first step too, if
    its page asked for both (`begin_check`).
    """
    is_both = bool(request.session.get(_GIVEN, {}).get("require_user_verification"))
    _checked(request, user=user, answer=answer, event=SecurityEvent.STEP_UP)
    (note_sign_in if is_both else note_factor)(request.session)


def _checked(
    request: HttpRequest, *, user: User | None, answer: str, event: SecurityEvent
) -> WebAuthnCredential:
    address, username = address_of(request), user.username if user else ""
    limits.count_try(limits.TRIES_PER_ADDRESS, username=username, address=address, step="passkey")
    try:
        with transaction.atomic():
            device: WebAuthnCredential = PasskeyHelper(request).authenticate_complete(
                user=user, state=_state_of(request, _GIVEN), data=_parsed(answer)
            )
            if not (device.confirmed and device.user.is_active):
                raise InvalidCredentials
            record_about(
                Verb.SIGNED_IN if event == SecurityEvent.SIGN_IN else Verb.STEPPED_UP,
                device.user,
                actor=Actor.person(device.user),
                address=address,
                factor=device,
            )
    except (OTPWebAuthnApiError, WebAuthnException, Invalid, InvalidCredentials):
        limits.record_attempt(SecurityEvent.SIGN_IN_REFUSED, username, address, "passkey")
        raise InvalidCredentials from None
    throttle.give_back(limits.TRIES_PER_ADDRESS, throttle.subject_of(address))
    record(event, user=device.user.username, address=address, factor=device.name)
    return device


def _kept(request: HttpRequest, key: str, options: dict[str, Any], state: dict[str, Any]) -> str:
    request.session[key] = {**state, "at": time.time()}
    return json.dumps(options)


def _state_of(request: HttpRequest, key: str) -> dict[str, Any]:
    """Each challenge counts once, for CHALLENGE_S."""
    state = request.session.pop(key, None)
    if state is None or not 0 <= time.time() - state["at"] <= CHALLENGE_S:
        raise _refused()
    return dict(state)


def _parsed(answer: str) -> dict[str, Any]:
    try:
        data = json.loads(answer) if len(answer) <= MAX_ANSWER_LENGTH else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise _refused()
    return data


def _refused() -> Invalid:
    message = "The browser's answer did not match. Try again."
    return Invalid.at("answer", "passkey-mismatch", message)
