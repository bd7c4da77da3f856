"""The browsers and phones on which a person wants notices."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import ApiToken, KnownDevice, User
from portal.accounts.services.sessions import known_device_id
from portal.accounts.session_store import SessionStore
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.errors import Conflict, NotFound
from portal.core.typed_lines import checked_name
from portal.notifications.channels.models import MAX_DEVICE_NAME_LENGTH, PushDevice
from portal.notifications.channels.web_push import WebPush
from portal.notifications.channels.web_push.keys import newest_public_key
from portal.notifications.receivers import MAX_DEVICES


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What a browser says about itself."""

    name: str
    endpoint: str
    p256dh: str
    auth: str
    known: KnownDevice | None = None
    """The browser, if a page adds it: its notices end when its person signs out there."""
    token: ApiToken | None = None
    """By which an app adds it: its notices end with the token."""


def live_devices() -> QuerySet[PushDevice]:
    """Without those that an app added by a token that has ended: the housekeeping deletes expired
    tokens later, and a process of the previous release deletes tokens alone. Newest first.
    """
    tokens = ApiToken.objects.filter(device_id=OuterRef("token_id"))
    live = tokens.filter(Q(expiry__isnull=True) | Q(expiry__gt=timezone.now()))
    own = PushDevice.objects.filter(Q(token__isnull=True) | Exists(live))
    return own.order_by("-created_at", "pk")


def devices_of(user: User) -> list[PushDevice]:
    """Newest first."""
    return list(live_devices().filter(user=user))


def values_of_device(device: PushDevice) -> dict[str, str]:
    """Raises SecretUnreadable."""
    sealed = cast(dict[str, str], json.loads(secrets.decrypt(device.sealed)))
    return sealed | {"public_key": device.public_key}


@transaction.atomic
def add_device(*, user: User, facts: DeviceFacts) -> PushDevice:
    """Add it, or renew what a known one says. A browser has one endpoint: if another person used
    it before, that person gets nothing there from now on. Conflict without PORTAL_VAPID_KEYS and
    beyond MAX_DEVICES.
    """
    public_key = newest_public_key()
    if not public_key:
        raise Conflict("Web Push is not set up in this portal.", code="push-not-set-up")
    name = checked_name(facts.name, at_most=MAX_DEVICE_NAME_LENGTH)
    values = {"endpoint": facts.endpoint, "p256dh": facts.p256dh, "auth": facts.auth}
    WebPush().check(values)
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    digest = hashlib.sha256(facts.endpoint.encode()).hexdigest()
    PushDevice.objects.filter(digest=digest).exclude(user=user).delete()
    if facts.known is not None:
        # The browser has got another endpoint since it was added.
        before = PushDevice.objects.filter(user=user, known_device=facts.known)
        before.exclude(digest=digest).delete()
    known = PushDevice.objects.filter(digest=digest).first()
    if known is None and live_devices().filter(user=user).count() >= MAX_DEVICES:
        raise Conflict(
            f"You have {MAX_DEVICES} devices already. Remove one first.", code="too-many-devices"
        )
    device = known or PushDevice(user=user, digest=digest, created_at=timezone.now())
    device.name, device.public_key = name, public_key
    if facts.known or facts.token:
        device.known_device, device.token = facts.known, facts.token
    device.sealed = secrets.encrypt(json.dumps(values).encode())
    device.save()
    if known is None:
        _record(Verb.PUSH_DEVICE_ADDED, user, device)
    return device


@transaction.atomic
def remove_device(*, user: User, device_id: UUID) -> str:
    """Its name. NotFound for one of another person."""
    device = PushDevice.objects.filter(user=user, pk=device_id).first()
    if device is None:
        raise NotFound
    _record(Verb.PUSH_DEVICE_REMOVED, user, device)
    device.delete()
    return device.name


def forget_all(*, user: User, **_: Any) -> None:
    """Receives `access_ended` of portal.accounts."""
    PushDevice.objects.filter(user=user).delete()


def forget_browser(*, credential: SessionBase | ApiToken | str, user: User, **_: Any) -> None:
    """Receives `credential_ending` of portal.accounts: the person signed out in a browser, or ended
    its session from elsewhere.
    """
    if isinstance(credential, ApiToken):
        return
    session = SessionStore(credential) if isinstance(credential, str) else credential
    known = known_device_id(session)
    if known is not None:
        PushDevice.objects.filter(user=user, known_device=known).delete()


def _record(verb: Verb, user: User, device: PushDevice) -> None:
    record_about(verb, user, actor=Actor.person(user), after={"device": device.name})
