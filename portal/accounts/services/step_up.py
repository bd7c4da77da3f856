"""Acts that need a fresh second factor, so that an unattended browser or a stolen token cannot do
them: changes of people, providers and policy, and approvals. Changes of what signs a person in need
a fresh first step too, which a code that was seen does not give (ADR 79).

A sign-in counts as both, and so does what is given later in the same session or with the same
token.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from portal.accounts.models import ApiToken, User
from portal.accounts.services.sessions import (
    factor_age_s,
    first_step_age_s,
    note_factor,
    note_sign_in,
)
from portal.accounts.services.sign_in_steps import check_password, check_second_factor
from portal.core.errors import FreshFactorRequired, FreshSignInRequired
from portal.core.security_log import SecurityEvent

FRESH_FOR: Final = timedelta(minutes=5)

Credential = SessionBase | ApiToken
"""By which a person acts: the session of a browser, or the token of a program."""


def require_fresh_factor(credential: Credential) -> None:
    """FreshFactorRequired if the second factor was given more than FRESH_FOR ago."""
    if not _is_fresh(_age_s(credential)):
        raise FreshFactorRequired


def has_fresh_first_step(credential: Credential) -> bool:
    """Whether the password, or what took its place, was given within FRESH_FOR."""
    if isinstance(credential, ApiToken):
        return _is_fresh(_since(credential.first_step_at))
    return _is_fresh(first_step_age_s(credential))


def require_fresh_sign_in(credential: Credential) -> None:
    """FreshSignInRequired unless both steps were done within FRESH_FOR."""
    if not (_is_fresh(_age_s(credential)) and has_fresh_first_step(credential)):
        raise FreshSignInRequired


def step_up(
    *,
    credential: Credential,
    user: User,
    code: str,
    address: str,
    device_secret: str = "",
    password: str = "",
) -> datetime:
    """Give the second factor again, and with a `password` also the first step; until when it is
    fresh. The errors and limits are those of `check_password` and `check_second_factor`.
    """
    if password:
        check_password(
            username=user.username, password=password, address=address, device_secret=device_secret
        )
    check_second_factor(
        user=user,
        code=code,
        address=address,
        device_secret=device_secret,
        event=SecurityEvent.STEP_UP,
    )
    now = timezone.now()
    if isinstance(credential, ApiToken):
        credential.factor_at = now
        if password:
            credential.first_step_at = now
        ApiToken.objects.filter(pk=credential.pk).update(
            factor_at=now, first_step_at=credential.first_step_at
        )
    else:
        (note_sign_in if password else note_factor)(credential)
    return now + FRESH_FOR


def _age_s(credential: Credential) -> float:
    if not isinstance(credential, ApiToken):
        return factor_age_s(credential)
    return _since(credential.factor_at)


def _since(at: datetime | None) -> float:
    return math.inf if at is None else (timezone.now() - at).total_seconds()


def _is_fresh(age_s: float) -> bool:
    # A clock that was set back does not make an old code fresh.
    return 0 <= age_s <= FRESH_FOR.total_seconds()
