"""The time zones of people: for the times on pages, in mails and in reports. The API speaks UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from django.utils import timezone

from portal.accounts.models import User

REGIONS: Final = frozenset(
    {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
        "Indian", "Pacific",
    }
)  # fmt: skip
UTC: Final = "UTC"


@cache
def zone_names() -> tuple[str, ...]:
    """UTC, and IANA's zones that are named after a place; the rest are older names of these."""
    return (UTC, *sorted(one for one in available_timezones() if one.split("/")[0] in REGIONS))


@contextmanager
def time_zone_of(user: User | None) -> Iterator[None]:
    """Inside, texts for `user` are written: their times are in the person's zone. None: for a
    reader who has not chosen one.
    """
    name = user.time_zone if user else ""
    # A zone may have left the list since the person chose it.
    with timezone.override(ZoneInfo(name if name in zone_names() else UTC)):
        yield
