"""The two steps of signing in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.contrib import auth
from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.hashers import hash_in_other_ways
from portal.accounts.models import (
    CODE_DIGITS,
    Authenticator,
    KnownDevice,
    RecoveryKit,
    SecondFactor,
    User,
)
from portal.accounts.services import sign_in_limits as limits
from portal.accounts.services.known_devices import known_device
from portal.accounts.signals import password_accepted
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import InvalidCredentials, SecretUnreadable, Throttled
from portal.core.security_log import SecurityEvent, record

MAX_PASSWORD_LENGTH: Final = 1024
MAX_CODE_LENGTH: Final = 64
CODES_UNREADABLE: Final = (
    "Sign-in with a code from the app is not possible now: the portal cannot check these codes. "
    "A recovery code works."
)


def check_password(*, username: str, password: str, address: str, device_secret: str = "") -> User:
    """The first step. Raises InvalidCredentials for any wrong part, always after the same work, or
    Throttled; OtherSignInRequired for a right password that the organization does not accept.

    `device_secret` is the secret that the browser or program kept from its last sign-in, by this
    person or another one.
    """
    if not limits.may_be_a_name(username):
        limits.count_try(
            limits.TRIES_PER_ADDRESS, username=username, address=address, step="password"
        )
        raise InvalidCredentials
    known = known_device(secret=device_secret, username=username)
    budgets = limits.budgets_of(username, address, known)
    try:
        for limit, subject in budgets:
            throttle.count(limit, subject)
        limits.count_hash(username, address, known, budgets)
    except Throttled:
        limits.record_attempt(SecurityEvent.SIGN_IN_SLOWED, username, address, "password")
        raise
    user = None
    if len(password) <= MAX_PASSWORD_LENGTH:
        user = auth.authenticate(username=username, password=password)
    if not isinstance(user, User):
        if len(password) <= MAX_PASSWORD_LENGTH:
            hash_in_other_ways(username, password)
        limits.record_attempt(SecurityEvent.SIGN_IN_REFUSED, username, address, "password")
        raise InvalidCredentials
    limits.give_back(budgets)
    password_accepted.send(sender=User, user=user)
    return user


def check_second_factor(
    *,
    user: User,
    code: str,
    address: str,
    device_secret: str = "",
    event: SecurityEvent = SecurityEvent.SIGN_IN,
) -> SecondFactor:
    """The second step: a code from the app, or a recovery code. Raises InvalidCredentials,
    Throttled, or SecretUnreadable when the portal cannot check codes from apps. The security log
    calls a success `event`.

    After a wrong code the next one has to wait: on a known device only for that device, otherwise
    for the app codes of all unknown devices. Recovery codes are too long to guess and cause no
    wait.
    """
    known = known_device(secret=device_secret, username=user.username)
    network = throttle.subject_of(address)
    if known is None:
        limits.count_try(
            limits.TRIES_PER_ADDRESS, username=user.username, address=address, step="code"
        )
    try:
        device, matched, wait_s = _try_code(user, _plain(code), known)
    except SecretUnreadable as error:
        if known is None:
            throttle.give_back(limits.TRIES_PER_ADDRESS, network)
        raise SecretUnreadable(CODES_UNREADABLE) from error
    if wait_s:
        limits.record_attempt(SecurityEvent.SIGN_IN_SLOWED, user.username, address, "code")
        others = "" if known else " from unknown devices. A recovery code works at once"
        raise Throttled(
            f"Too many wrong codes{others}. Try again in {wait_s}\u00a0s.",
            retry_after_s=wait_s,
        )
    if device is None or not matched:
        limits.record_attempt(SecurityEvent.SIGN_IN_REFUSED, user.username, address, "code")
        raise InvalidCredentials
    if known is None:
        throttle.give_back(limits.TRIES_PER_ADDRESS, network)
    record(
        event,
        user=user.username,
        address=address,
        factor=device.name,
        device="new" if known is None else "known",
    )
    record_about(
        Verb.SIGNED_IN if event == SecurityEvent.SIGN_IN else Verb.STEPPED_UP,
        user,
        actor=Actor.person(user),
        after={"device": "new" if known is None else "known"},
        address=address,
        factor=device,
    )
    return device


def _try_code(
    user: User, code: str, known: KnownDevice | None
) -> tuple[SecondFactor | None, bool, int]:
    """The factor, whether the code matched, and the seconds to wait, if any, in which case the code
    was not checked.
    """
    is_app_code = _looks_like_app_code(code)
    model: type[SecondFactor] = Authenticator if is_app_code else RecoveryKit
    now = timezone.now()
    # An exception inside the transaction would roll the failure count back.
    with transaction.atomic():
        # In the same order for each, so that two codes at the same time wait for each other.
        own = model.objects.select_for_update().filter(user=user, confirmed=True).order_by("pk")
        devices = list(own)
        # The oldest app counts for all: more apps do not give more tries.
        counter: KnownDevice | SecondFactor | None = devices[0] if devices and is_app_code else None
        if known is not None:
            counter = KnownDevice.objects.select_for_update().filter(pk=known.pk).first()
        wait_s = counter.wait_s(now) if counter else 0
        matching = None if wait_s else _matching(devices, code)
        if counter is not None and not wait_s:
            counter.note_code(matched=matching is not None, now=now)
    return matching or next(iter(devices), None), matching is not None, wait_s


def _matching(devices: Sequence[SecondFactor], code: str) -> SecondFactor | None:
    """Raises SecretUnreadable only if no other factor has the code."""
    unreadable: SecretUnreadable | None = None
    for device in devices:
        try:
            if device.take(code):
                return device
        except SecretUnreadable as error:
            unreadable = error
    if unreadable is not None:
        raise unreadable
    return None


def sign_in(
    *, username: str, password: str, code: str, address: str, device_secret: str = ""
) -> User:
    """Both steps at once, for programs. If `must_change_password`, the caller lets the person do
    nothing before there is another password.
    """
    user = check_password(
        username=username, password=password, address=address, device_secret=device_secret
    )
    check_second_factor(user=user, code=code, address=address, device_secret=device_secret)
    return user


def _looks_like_app_code(code: str) -> bool:
    return len(code) == CODE_DIGITS and code.isascii() and code.isdigit()


def _plain(code: str) -> str:
    return "".join(code[:MAX_CODE_LENGTH].split())
