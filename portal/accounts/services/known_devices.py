"""Browsers and programs from which a person signed in before.

Attempts from other devices never lock them out (ADR 35).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts import account_mails
from portal.accounts.models import KnownDevice, User
from portal.accounts.services.end_access import lock_unchanged
from portal.accounts.services.tell import tell
from portal.accounts.time_zones import time_zone_of
from portal.core.origins import address_of_portal

KNOWN_FOR: Final = timedelta(days=180)
"""Counted from the last sign-in."""
MAX_KNOWN_DEVICES_PER_USER: Final = 20
"""This many browsers, and also this many programs."""
SECRET_BYTES: Final = 32


def known_device(*, secret: str, username: str) -> KnownDevice | None:
    """The device with `secret`, if that person signed in from it before."""
    if not secret:
        return None
    return (
        _keeping(secret)
        .filter(user__username=username, last_used_at__gt=timezone.now() - KNOWN_FOR)
        .first()
    )


@dataclass(frozen=True, slots=True)
class SignedInFrom:
    """As the mail about a sign-in on a new device names it."""

    device: str
    "as people call it"
    address: str


@transaction.atomic
def remember(
    *, user: User, secret: str, whence: SignedInFrom | None, is_program: bool = False
) -> str:
    """Record a sign-in from the device with `secret` ("": a new device). Returns the device's new
    secret. The person gets a mail about a new device. `whence` None: the person has changed the
    password there, and no one signed in.

    People who share a browser share its secret, and each has a row. Beyond the limit, the least
    recently used device of the same kind (browser or program) is deleted.
    """
    lock_unchanged(user)
    now = timezone.now()
    if whence and known_device(secret=secret, username=user.username) is None:
        _tell(user, whence, now)
    renewed = secrets.token_urlsafe(SECRET_BYTES)
    changed = {"digest": KnownDevice.digest_of(renewed), "previous_digest": ""}
    if secret and _keeping(secret).exists():
        changed["previous_digest"] = KnownDevice.digest_of(secret)
        _keeping(secret).update(**changed)
    KnownDevice.objects.update_or_create(
        user=user,
        digest=changed["digest"],
        defaults={**changed, "last_used_at": now, "is_program": is_program},
    )
    own = KnownDevice.objects.filter(user=user, is_program=is_program).order_by("-last_used_at")
    excess = [device.pk for device in own[MAX_KNOWN_DEVICES_PER_USER:]]
    KnownDevice.objects.filter(pk__in=excess).delete()
    return renewed


def _tell(user: User, whence: SignedInFrom, now: datetime) -> None:
    with time_zone_of(user):
        mail = account_mails.new_device(
            username=user.username,
            device=whence.device,
            address=whence.address,
            at=now,
            sessions=f"{address_of_portal()}/me/sessions",
        )
    tell(user, mail)


def prune(*, now: datetime) -> None:
    """Delete devices that were not used for a long time."""
    KnownDevice.objects.filter(last_used_at__lte=now - KNOWN_FOR).delete()


def _keeping(secret: str) -> QuerySet[KnownDevice]:
    digest = KnownDevice.digest_of(secret)
    return KnownDevice.objects.filter(Q(digest=digest) | Q(previous_digest=digest))
