"""The limits of sign-in attempts, and whose budget a wrong attempt uses (ADR 35)."""

from __future__ import annotations

from typing import Final

from portal.accounts.audited import record_refused_sign_in
from portal.accounts.models import KnownDevice, User
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import Throttled
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

Budgets = list[tuple[throttle.Limit, str]]


def budgets_of(username: str, address: str, known: KnownDevice | None) -> Budgets:
    """The budgets an attempt uses: a known device has its own; unknown ones use their network's and
    then the name's.
    """
    if known is not None:
        return [(TRIES_PER_DEVICE, str(known.pk))]
    return [
        (TRIES_PER_ADDRESS, throttle.subject_of(address)),
        (TRIES_PER_USER, username.casefold()),
    ]


def count_hash(username: str, address: str, known: KnownDevice | None, budgets: Budgets) -> None:
    """Count a hash. If it is Throttled, no password was checked, so the others at that address or
    name lose nothing.
    """
    name_from_here = f"{throttle.subject_of(address)} {username.casefold()}"
    try:
        throttle.count(HASHES, name_from_here if known is None else str(known.pk))
    except Throttled:
        give_back(budgets)
        raise


def give_back(budgets: Budgets) -> None:
    for limit, subject in budgets:
        throttle.give_back(limit, subject)


def count_try(limit: throttle.Limit, *, username: str, address: str, step: str) -> None:
    """Count one attempt from the network of `address`; Throttled, with a line in the security log,
    beyond the limit.
    """
    try:
        throttle.count(limit, throttle.subject_of(address))
    except Throttled:
        record_attempt(SecurityEvent.SIGN_IN_SLOWED, username, address, step)
        raise


def record_attempt(event: SecurityEvent, username: str, address: str, step: str) -> None:
    # A name that does not exist may be a password typed into the wrong field.
    is_name = may_be_a_name(username) and User.objects.filter(username=username).exists()
    record(event, user=username if is_name else "(unknown)", address=address, step=step)
    is_slowed = event == SecurityEvent.SIGN_IN_SLOWED
    record_refused_sign_in(
        Verb.SIGN_IN_SLOWED if is_slowed else Verb.SIGN_IN_REFUSED,
        username if is_name else "",
        address=address,
        step=step,
    )


def may_be_a_name(username: str) -> bool:
    return 0 < len(username) <= MAX_USERNAME_LENGTH and username.isprintable()
