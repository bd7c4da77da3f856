"""The browsers and phones that get notices, on the tab "Notices"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.urls import reverse

from portal.accounts.models import User
from portal.accounts.services.sessions import known_device_id
from portal.notifications.channels.models import PushDevice
from portal.notifications.channels.web_push.devices import devices_of
from portal.notifications.channels.web_push.keys import newest_public_key

WORKER: Final = f"{settings.STATIC_URL}js/push_worker.js"
"""Without a hash in its name: a browser looks there for a newer one. A worker may intercept what is
in the folder of its script, so this one intercepts no page.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRow:
    """One browser or phone."""

    name: str
    digest: str
    "of the address at its push service: the script recognizes its own"
    added_at: datetime
    last_success_at: datetime | None
    "None: no notice was delivered yet"
    is_this: bool
    "the person is signed in in it now, through this session"
    remove: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPart:
    """The list, and what the script needs to add this browser."""

    public_key: str
    "of the portal; empty: it offers no notices in browsers"
    worker: str
    rows: Sequence[PushRow]
    error: str


def push_part(person: User, session: SessionBase, *, error: str = "") -> PushPart:
    """`error`: why a browser was not added."""
    known = known_device_id(session)
    return PushPart(
        public_key=newest_public_key(),
        worker=WORKER,
        rows=[_row(one, known) for one in devices_of(person)],
        error=error,
    )


def _row(device: PushDevice, known: int | None) -> PushRow:
    return PushRow(
        name=device.name,
        digest=device.digest,
        added_at=device.created_at,
        last_success_at=device.last_success_at,
        is_this=known is not None and device.known_device_id == known,
        remove=reverse("me:remove-push-device", args=[device.pk]),
    )
