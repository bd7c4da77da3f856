"""Sign-in, second factors and devices: everything that changes who may act as whom."""

from __future__ import annotations

import secrets as randomness
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import django_otp
from django.conf import settings
from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.models import (
    CODE_DIGITS,
    ApiToken,
    Authenticator,
    RecoveryCode,
    RecoveryKit,
    SecondFactor,
    User,
)
from portal.core import secrets, throttle
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, FieldError, Invalid, InvalidCredentials, Throttled

TRIES_PER_ADDRESS: Final = throttle.Limit(
    name="sign-in-address", tries=20, window_s=60, message="Too many tries from this address."
)
TRIES_PER_USER: Final = throttle.Limit(
    name="sign-in-user", tries=30, window_s=300, message="Too many tries for this name."
)
MAX_USERNAME_LENGTH: Final = 150
MAX_PASSWORD_LENGTH: Final = 1024
MAX_DEVICE_NAME_LENGTH: Final = 64
MAX_DEVICES_PER_USER: Final = 20
RECOVERY_CODES: Final = 10
RECOVERY_CODE_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
RECOVERY_CODE_LENGTH: Final = 16
AUTHENTICATOR_KEY_BYTES: Final = 20
PASSWORD_ONLY_SESSION: Final = timedelta(minutes=10)
"""How long a password may wait for its code."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person needs to set up an authenticator app."""

    otpauth_uri: str
    base32_key: str


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: `plain` is shown once and kept nowhere."""

    plain: str
    token: ApiToken


# Sign-in


def check_password(*, username: str, password: str, address: str) -> User:
    """The first step. InvalidCredentials whatever is wrong, after the same work; Throttled."""
    throttle.count(TRIES_PER_ADDRESS, throttle.network_of(address))
    throttle.count(TRIES_PER_USER, username.casefold())
    if len(username) > MAX_USERNAME_LENGTH or len(password) > MAX_PASSWORD_LENGTH:
        raise InvalidCredentials
    if "\0" in username:
        raise InvalidCredentials
    user = auth.authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise InvalidCredentials
    throttle.give_back(TRIES_PER_ADDRESS, throttle.network_of(address))
    throttle.give_back(TRIES_PER_USER, username.casefold())
    return user


def check_second_factor(*, user: User, code: str, address: str) -> SecondFactor:
    """The second step: a code of the app, or a recovery code. InvalidCredentials or Throttled."""
    throttle.count(TRIES_PER_ADDRESS, throttle.network_of(address))
    model: type[SecondFactor] = Authenticator if _looks_like_app_code(code) else RecoveryKit
    # Raising inside the transaction would undo the device's own count of failures.
    with transaction.atomic():
        device: SecondFactor | None = (
            model.objects.select_for_update().filter(user=user, confirmed=True).first()
        )
        wait_s = _locked_for_s(device) if device else 0
        matched = device is not None and not wait_s and device.verify_token(_plain(code))
    if wait_s:
        raise Throttled(
            f"Too many codes did not match. Next try in {wait_s}\u00a0s.", retry_after_s=wait_s
        )
    if device is None or not matched:
        raise InvalidCredentials
    throttle.give_back(TRIES_PER_ADDRESS, throttle.network_of(address))
    return device


def sign_in(*, username: str, password: str, code: str, address: str) -> User:
    """Both steps at once, for programs."""
    user = check_password(username=username, password=password, address=address)
    check_second_factor(user=user, code=code, address=address)
    return user


def open_session(request: HttpRequest, user: User) -> None:
    """The password was right: nothing but the second factor is reachable yet."""
    auth.login(request, user)
    request.session.set_expiry(timezone.now() + PASSWORD_ONLY_SESSION)


def complete_session(request: HttpRequest, device: SecondFactor) -> None:
    """The second factor was right: a new session key, and a fixed end."""
    request.session.cycle_key()
    django_otp.login(request, device)
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))


def sign_out(request: HttpRequest) -> None:
    user = request.user
    auth.logout(request)
    if isinstance(user, User):
        access_changed_on_commit(user.pk)


# Second factors


@transaction.atomic
def begin_enrolment(*, user: User) -> Enrolment:
    """A key for the app; the same one until it is confirmed. Conflict when there is one already."""
    _refuse_second_authenticator(user)
    device = Authenticator.objects.filter(user=user, confirmed=False).first()
    if device is None:
        key = randomness.token_bytes(AUTHENTICATOR_KEY_BYTES)
        device = Authenticator.objects.create(
            user=user, name="App", confirmed=False, encrypted_key=secrets.encrypt(key)
        )
    return Enrolment(otpauth_uri=device.otpauth_uri, base32_key=device.base32_key)


def confirm_enrolment(*, user: User, code: str) -> tuple[Authenticator, tuple[str, ...]]:
    """The first code proves the app: the authenticator, and recovery codes to be shown once."""
    with transaction.atomic():
        _refuse_second_authenticator(user)
        device = (
            Authenticator.objects.select_for_update().filter(user=user, confirmed=False).first()
        )
        wait_s = _locked_for_s(device) if device else 0
        matched = device is not None and not wait_s and device.verify_token(_plain(code))
        if device is not None and matched:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            return device, renew_recovery_codes(user=user)
    if wait_s:
        raise Throttled(
            f"That code did not match. Next try in {wait_s}\u00a0s.", retry_after_s=wait_s
        )
    message = (
        "That code did not match. Type the one the app shows now, and check the phone's clock."
    )
    raise Invalid(message, errors=[FieldError("code", "code-mismatch", message)])


@transaction.atomic
def renew_recovery_codes(*, user: User) -> tuple[str, ...]:
    """New recovery codes; the ones before stop working."""
    RecoveryKit.objects.filter(user=user).delete()
    kit = RecoveryKit.objects.create(user=user, name="Recovery codes", confirmed=True)
    codes = tuple(_recovery_code() for _ in range(RECOVERY_CODES))
    RecoveryCode.objects.bulk_create(
        RecoveryCode(kit=kit, digest=RecoveryCode.digest_of(code)) for code in codes
    )
    return codes


@transaction.atomic
def reset_second_factor(*, user: User) -> None:
    """The phone is lost: every factor and device ends, and enrolment is open again."""
    Authenticator.objects.filter(user=user).delete()
    RecoveryKit.objects.filter(user=user).delete()
    ApiToken.objects.filter(user=user).delete()
    access_changed_on_commit(user.pk)


def _refuse_second_authenticator(user: User) -> None:
    if Authenticator.objects.filter(user=user, confirmed=True).exists():
        raise Conflict("You have a second factor already. Ask the portal's staff to reset it.")


def _looks_like_app_code(code: str) -> bool:
    plain = _plain(code)
    return len(plain) == CODE_DIGITS and plain.isdigit()


def _plain(code: str) -> str:
    return "".join(code[: RECOVERY_CODE_LENGTH * 2].split())


def _recovery_code() -> str:
    letters = [randomness.choice(RECOVERY_CODE_ALPHABET) for _ in range(RECOVERY_CODE_LENGTH)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, len(letters), 4))


def _locked_for_s(device: SecondFactor) -> int:
    allowed, details = device.verify_is_allowed()
    if allowed:
        return 0
    locked_until: datetime = details["locked_until"]
    return max(1, round((locked_until - timezone.now()).total_seconds()))


# Devices


@transaction.atomic
def issue_token(*, user: User, device_name: str) -> IssuedToken:
    """A token for a device. The oldest device makes room when there are too many."""
    # Locks the person's row: two sign-ins at once may not both see room for one more.
    User.objects.select_for_update().get(pk=user.pk)
    crowded = ApiToken.objects.filter(user=user).order_by("-created")[MAX_DEVICES_PER_USER - 1 :]
    if ApiToken.objects.filter(pk__in=[token.pk for token in crowded]).delete()[0]:
        access_changed_on_commit(user.pk)
    token, plain = ApiToken.objects.create(user=user, device_name=device_name)
    return IssuedToken(plain=plain, token=token)


@transaction.atomic
def revoke_token(*, token: ApiToken) -> None:
    """The device is signed out; doing it twice is harmless."""
    ApiToken.objects.filter(pk=token.pk).delete()
    access_changed_on_commit(token.user_id)


def prune(*, now: datetime) -> None:
    """Forget what has ended: tokens and enrolments nobody finished."""
    ApiToken.objects.filter(expiry__lte=now).delete()
    Authenticator.objects.filter(confirmed=False, created_at__lte=now - timedelta(days=1)).delete()
