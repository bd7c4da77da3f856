"""Acts that need a fresh second factor, so that an unattended browser or a stolen token cannot do
them: changes of people, providers and policy, and approvals.

A sign-in counts, and so does a code that is given later in the same session or with the same token.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from portal.accounts.models import ApiToken, User
from portal.accounts.services.sessions import factor_age_s, note_factor
from portal.accounts.services.sign_in_steps import check_second_factor
from portal.core.errors import FreshFactorRequired
from portal.core.security_log import SecurityEvent

FRESH_FOR: Final = timedelta(minutes=5)

Credential = SessionBase | ApiToken
"""By which a person acts: the session of a browser, or the token of a program."""


def require_fresh_factor(credential: Credential) -> None:
    """FreshFactorRequired if the second factor was given more than FRESH_FOR ago."""
    # A clock that was set back does not make an old code fresh.
    if not 0 <= _age_s(credential) <= FRESH_FOR.total_seconds():
        raise FreshFactorRequired


def step_up(
    *, credential: Credential, user: User, code: str, address: str, device_secret: str = ""
) -> datetime:
    """Give the second factor again; until when it is fresh. The errors and limits are those of
    `check_second_factor`.
    """
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
        ApiToken.objects.filter(pk=credential.pk).update(factor_at=now)
    else:
        note_factor(credential)
    return now + FRESH_FOR


def _age_s(credential: Credential) -> float:
    if not isinstance(credential, ApiToken):
        return factor_age_s(credential)
    at = credential.factor_at
    return math.inf if at is None else (timezone.now() - at).total_seconds()
