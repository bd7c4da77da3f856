"""Tokens of programs and phones that act for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import current_actor, record_about
from portal.accounts.models import ApiToken, User
from portal.accounts.services import known_devices
from portal.accounts.services.end_access import lock_unchanged
from portal.audit.recording import Object
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.security_log import SecurityEvent, record

MAX_DEVICE_NAME_LENGTH: Final = 64
MAX_DEVICES_PER_USER: Final = 20


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token, and the secret by which the next sign-in recognizes its device.

    Both are shown once and not stored.
    """

    plain: str
    token: ApiToken
    device_token: str


@transaction.atomic
def issue_token(
    *, user: User, device_name: str, device_token: str = "", address: str = ""
) -> IssuedToken:
    """A token for a device whose person just gave the second factor. Beyond the limit, the oldest
    one is deleted.
    """
    # The lock keeps two simultaneous sign-ins from both taking the last free place.
    lock_unchanged(user)
    excess = ApiToken.objects.filter(user=user).order_by("-created")[MAX_DEVICES_PER_USER - 1 :]
    for oldest in list(excess):
        oldest.delete()
        _record_token(Verb.TOKEN_ENDED, oldest, actor=Actor.portal(), why="too-many")
        access_changed_on_commit(user.pk)
    token, plain = ApiToken.objects.create(
        user=user, device_name=device_name, factor_at=timezone.now()
    )
    renewed = known_devices.remember(user=user, secret=device_token, is_program=True)
    _record_token(Verb.TOKEN_ISSUED, token, actor=Actor.person(user), address=address)
    record(SecurityEvent.TOKEN_ISSUED, user=user.username, device=device_name, address=address)
    return IssuedToken(plain=plain, token=token, device_token=renewed)


@transaction.atomic
def revoke_token(*, token: ApiToken, address: str = "") -> None:
    """Sign the device out. Repeating it is harmless."""
    if ApiToken.objects.filter(pk=token.pk).delete()[0]:
        actor = current_actor() or Actor.person(token.user)
        _record_token(Verb.TOKEN_ENDED, token, actor=actor, why="signed-out", address=address)
    access_changed_on_commit(token.user_id)
    record(
        SecurityEvent.TOKEN_ENDED,
        user=token.user.username,
        device=token.device_name,
        address=address,
    )


def prune(*, now: datetime) -> None:
    """Delete expired tokens, and devices that were not used for a long time."""
    for token in ApiToken.objects.filter(expiry__lte=now).select_related("user"):
        with transaction.atomic():
            if ApiToken.objects.filter(pk=token.pk, expiry__lte=now).delete()[0]:
                _record_token(Verb.TOKEN_ENDED, token, actor=Actor.portal(), why="expired")
    known_devices.prune(now=now)


def _record_token(
    verb: Verb, token: ApiToken, *, actor: Actor, why: str = "", address: str = ""
) -> None:
    record_about(
        verb,
        token.user,
        actor=actor,
        about=Object("token", token.device_id, token.device_name),
        after={"of": token.user.username, **({"why": why} if why else {})},
        address=address,
    )
