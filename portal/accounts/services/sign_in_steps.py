"""The two steps of signing in, and whose budget a wrong attempt uses (ADR 35)."""

from __future__ import annotations

from typing import Final

from django.contrib import auth
from django.db import transaction
from django.utils import timezone

from portal.accounts.models import (
    CODE_DIGITS,
    Authenticator,
    KnownDevice,
    RecoveryKit,
    SecondFactor,
    User,
)
from portal.accounts.services.known_devices import known_device
from portal.core import throttle
from portal.core.errors import InvalidCredentials, SecretUnreadable, Throttled
from portal.core.security_log import SecurityEvent, record

TRIES_PER_ADDRESS: Final = throttle.Limit(
    name="sign-in-address", tries=20, window_s=60, message="Too many tries from this address."
)
TRIES_PER_USER: Final = throttle.Limit(
    name="sign-in-user",
    tries=30,
    window_s=300,
    message="Too many tries for this name from unknown devices. "
    "A browser this person has signed in with before does not have to wait.",
)
TRIES_PER_DEVICE: Final = throttle.Limit(
    name="sign-in-device", tries=20, window_s=300, message="Too many tries from this device."
)
HASHES: Final = throttle.Limit(
    name="sign-in-hashes",
    tries=20,
    window_s=60,
    message="Too many sign-ins with this name from here.",
)
"""Correct passwords count too, since every hash costs the same CPU time."""
MAX_USERNAME_LENGTH: Final = 150
MAX_PASSWORD_LENGTH: Final = 1024
MAX_CODE_LENGTH: Final = 64
CODES_UNREADABLE: Final = (
    "Sign-in with a code from the app is not possible now: the portal cannot check these codes. "
    "A recovery code works."
)

Budgets = list[tuple[throttle.Limit, str]]


def check_password(*, username: str, password: str, address: str, device_secret: str = "") -> User:
    """The first step. Raises InvalidCredentials for any wrong part, always after the same work, or
    Throttled.

    `device_secret` is the secret that the browser or program kept from its last sign-in, by this
    person or another one.
    """
    if not _may_be_a_name(username):
        count_try(TRIES_PER_ADDRESS, username=username, address=address, step="password")
        raise InvalidCredentials
    known = known_device(secret=device_secret, username=username)
    budgets = _budgets(username, address, known)
    try:
        for limit, subject in budgets:
            throttle.count(limit, subject)
        _count_hash(username, address, known, budgets)
    except Throttled:
        _record(SecurityEvent.SIGN_IN_SLOWED, username, address, "password")
        raise
    user = None
    if len(password) <= MAX_PASSWORD_LENGTH:
        user = auth.authenticate(username=username, password=password)
    if not isinstance(user, User):
        _record(SecurityEvent.SIGN_IN_REFUSED, username, address, "password")
        raise InvalidCredentials
    _give_back(budgets)
    return user


def _budgets(username: str, address: str, known: KnownDevice | None) -> Budgets:
    """The budgets an attempt uses: a known device has its own; unknown ones use their network's and
    then the name's.
    """
    if known is not None:
        return [(TRIES_PER_DEVICE, str(known.pk))]
    return [
        (TRIES_PER_ADDRESS, throttle.subject_of(address)),
        (TRIES_PER_USER, username.casefold()),
    ]


def _count_hash(username: str, address: str, known: KnownDevice | None, budgets: Budgets) -> None:
    """Count a hash. If it is Throttled, no password was checked, so the others at that address or
    name lose nothing.
    """
    name_from_here = f"{throttle.subject_of(address)} {username.casefold()}"
    try:
        throttle.count(HASHES, name_from_here if known is None else str(known.pk))
    except Throttled:
        _give_back(budgets)
        raise


def _give_back(budgets: Budgets) -> None:
    for limit, subject in budgets:
        throttle.give_back(limit, subject)


def check_second_factor(
    *, user: User, code: str, address: str, device_secret: str = ""
) -> SecondFactor:
    """The second step: a code from the app, or a recovery code. Raises InvalidCredentials,
    Throttled, or SecretUnreadable when the portal cannot check codes from apps.

    After a wrong code the next one has to wait: on a known device only for that device, otherwise
    for the app codes of all unknown devices. Recovery codes are too long to guess and cause no
    wait.
    """
    known = known_device(secret=device_secret, username=user.username)
    network = throttle.subject_of(address)
    if known is None:
        count_try(TRIES_PER_ADDRESS, username=user.username, address=address, step="code")
    try:
        device, matched, wait_s = _try_code(user, _plain(code), known)
    except SecretUnreadable as error:
        if known is None:
            throttle.give_back(TRIES_PER_ADDRESS, network)
        raise SecretUnreadable(CODES_UNREADABLE) from error
    if wait_s:
        _record(SecurityEvent.SIGN_IN_SLOWED, user.username, address, "code")
        others = "" if known else " from unknown devices. A recovery code works at once"
        raise Throttled(
            f"Too many wrong codes{others}. Try again in {wait_s}\u00a0s.",
            retry_after_s=wait_s,
        )
    if device is None or not matched:
        _record(SecurityEvent.SIGN_IN_REFUSED, user.username, address, "code")
        raise InvalidCredentials
    if known is None:
        throttle.give_back(TRIES_PER_ADDRESS, network)
    record(
        SecurityEvent.SIGN_IN,
        user=user.username,
        address=address,
        factor=device.name,
        device="new" if known is None else "known",
    )
    return device


def _try_code(
    user: User, code: str, known: KnownDevice | None
) -> tuple[SecondFactor | None, bool, int]:
    """The factor, whether the code matched, and the seconds to wait, if any, in which case the code
    was not checked.
    """
    model: type[SecondFactor] = Authenticator if _looks_like_app_code(code) else RecoveryKit
    now = timezone.now()
    # An exception inside the transaction would roll the failure count back.
    with transaction.atomic():
        device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
        counter: KnownDevice | SecondFactor | None = None
        if isinstance(device, Authenticator):
            counter = device
        if known is not None:
            counter = KnownDevice.objects.select_for_update().filter(pk=known.pk).first()
        wait_s = counter.wait_s(now) if counter else 0
        matched = device is not None and not wait_s and device.take(code)
        if counter is not None and not wait_s:
            counter.note_code(matched=matched, now=now)
    return device, matched, wait_s


def sign_in(
    *, username: str, password: str, code: str, address: str, device_secret: str = ""
) -> User:
    """Both steps at once, for programs."""
    user = check_password(
        username=username, password=password, address=address, device_secret=device_secret
    )
    check_second_factor(user=user, code=code, address=address, device_secret=device_secret)
    return user


def count_try(limit: throttle.Limit, *, username: str, address: str, step: str) -> None:
    """Count one attempt from the network of `address`; Throttled, with a line in the security log,
    beyond the limit.
    """
    try:
        throttle.count(limit, throttle.subject_of(address))
    except Throttled:
        _record(SecurityEvent.SIGN_IN_SLOWED, username, address, step)
        raise


def _record(event: SecurityEvent, username: str, address: str, step: str) -> None:
    # A name that does not exist may be a password typed into the wrong field.
    is_name = _may_be_a_name(username) and User.objects.filter(username=username).exists()
    record(event, user=username if is_name else "(unknown)", address=address, step=step)


def _may_be_a_name(username: str) -> bool:
    return 0 < len(username) <= MAX_USERNAME_LENGTH and username.isprintable()


def _looks_like_app_code(code: str) -> bool:
    return len(code) == CODE_DIGITS and code.isascii() and code.isdigit()


def _plain(code: str) -> str:
    return "".join(code[:MAX_CODE_LENGTH].split())
