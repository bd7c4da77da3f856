"""Tokens of programs and phones that act for a person.

An app gets one at its sign-in; for other programs a person makes them, with a name, a scope,
networks and a fixed end (ADR 60).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts import token_mails
from portal.accounts.actors import Actor
from portal.accounts.audited import current_actor, record_about
from portal.accounts.models import ApiToken, User
from portal.accounts.networks import normal_networks
from portal.accounts.scopes import Scope
from portal.accounts.services import browsers, known_devices, mailed_links
from portal.accounts.services.end_access import lock_unchanged
from portal.accounts.services.tell import tell
from portal.accounts.signals import access_ending, credential_ending
from portal.audit.recording import Object
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.security_log import SecurityEvent, record

MAX_DEVICE_NAME_LENGTH: Final = 64
MAX_DEVICES_PER_USER: Final = 20
"""Apps that are signed in."""
MAX_TOKENS_PER_USER: Final = 20
"""Tokens that the person made."""
MAX_TOKEN_DAYS: Final = 365
DEFAULT_TOKEN_DAYS: Final = 90


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
    apps = ApiToken.objects.filter(user=user, is_named=False).order_by("-created")
    excess = apps[MAX_DEVICES_PER_USER - 1 :]
    for oldest in list(excess):
        oldest.delete()
        _record_token(Verb.TOKEN_ENDED, oldest, actor=Actor.portal(), why="too-many")
        access_changed_on_commit(user.pk)
    now = timezone.now()
    token, plain = ApiToken.objects.create(
        user=user, device_name=device_name, factor_at=now, first_step_at=now
    )
    renewed = known_devices.remember(
        user=user,
        secret=device_token,
        whence=known_devices.SignedInFrom(device_name, address),
        is_program=True,
    )
    _record_token(Verb.TOKEN_ISSUED, token, actor=Actor.person(user), address=address)
    record(SecurityEvent.TOKEN_ISSUED, user=user.username, device=device_name, address=address)
    return IssuedToken(plain=plain, token=token, device_token=renewed)


@transaction.atomic
def make_token(
    *,
    user: User,
    name: str,
    scope: Scope,
    days: int,
    networks: Sequence[str],
    address: str = "",
    is_federated: bool = False,
) -> tuple[ApiToken, str]:
    """A token for a program, and its text, which is never shown again. The person gets a mail.

    `days`: until it ends, 1 to MAX_TOKEN_DAYS. `is_federated`: made in a session by single sign-on.
    Invalid with an error at each wrong field, Conflict
    beyond MAX_TOKENS_PER_USER. Needs a fresh factor, which the caller checks.
    """
    allowed = check_new_token(name, days, networks)
    lock_unchanged(user)
    own = ApiToken.objects.filter(user=user, is_named=True)
    if own.filter(device_name=name.strip()).exists():
        message = "You have a token with this name. Give this one another name."
        raise Invalid.at("name", "taken", message)
    if own.count() >= MAX_TOKENS_PER_USER:
        raise Conflict(
            f"You have {MAX_TOKENS_PER_USER} tokens, the most possible. Revoke one first.",
            code="too-many-tokens",
        )
    token, plain = ApiToken.objects.create(
        user=user,
        expiry=timedelta(days=days),
        device_name=name.strip(),
        is_named=True,
        is_federated=is_federated,
        scope=scope,
        allowed_networks=allowed,
    )
    record_about(
        Verb.TOKEN_ISSUED,
        user,
        actor=Actor.person(user),
        about=Object("token", token.device_id, token.device_name),
        after={"of": user.username, **described(token)},
        address=address,
    )
    record(SecurityEvent.TOKEN_ISSUED, user=user.username, device=name.strip(), address=address)
    mail = token_mails.token_made(user.username, name.strip(), scope=scope, address=address)
    tell(user, mail)
    return token, plain


def check_new_token(name: str, days: int, networks: Sequence[str]) -> str:
    """The networks of a new token in normal form. Invalid with an error at each wrong field."""
    errors = []
    if not name.strip() or len(name.strip()) > MAX_DEVICE_NAME_LENGTH or not name.isprintable():
        message = f"Give it a name of 1 to {MAX_DEVICE_NAME_LENGTH} characters."
        errors.append(FieldError("name", "not-a-name", message))
    if not 1 <= days <= MAX_TOKEN_DAYS:
        message = f"A token ends after 1 to {MAX_TOKEN_DAYS} days."
        errors.append(FieldError("days", "out-of-range", message))
    allowed = ""
    try:
        allowed = normal_networks(networks)
    except Invalid as error:
        errors.extend(error.errors)
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    return allowed


def described(token: ApiToken) -> dict[str, object]:
    """The values of a new token in its audit entry."""
    return {
        "scope": token.scope,
        "networks": token.allowed_networks.split(),
        "ends": token.expiry,
    }


def named_tokens(user: User) -> QuerySet[ApiToken]:
    """Those that the person made, newest first."""
    return ApiToken.objects.filter(user=user, is_named=True).order_by("-created", "device_id")


def live_apps(user: User) -> QuerySet[ApiToken]:
    """Those of the apps in which the person is signed in."""
    live = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    return ApiToken.objects.filter(live, user=user, is_named=False).select_related("user")


@transaction.atomic
def revoke_token(*, token: ApiToken, address: str = "") -> None:
    """End the token, its sockets, and the right of its running calls to commit. Repeating it is
    harmless.
    """
    # A running call holds the lock of the log, and commits before this; or it waits, and is
    # refused.
    access_ending.send(sender=User, user=token.user)
    credential_ending.send(sender=None, credential=token, user=token.user)
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


@transaction.atomic
def end_tokens(tokens: QuerySet[ApiToken], *, why: str) -> int:
    """End them all, and their sockets; return how many."""
    ended = 0
    for token in tokens.select_related("user").order_by("pk"):
        if ApiToken.objects.filter(pk=token.pk).delete()[0]:
            ended += 1
            actor = current_actor() or Actor.portal()
            _record_token(Verb.TOKEN_ENDED, token, actor=actor, why=why)
            access_changed_on_commit(token.user_id)
    return ended


def prune(*, now: datetime) -> None:
    """Delete expired tokens and links, and devices that were not used for a long time."""
    for token in ApiToken.objects.filter(expiry__lte=now).select_related("user"):
        with transaction.atomic():
            if ApiToken.objects.filter(pk=token.pk, expiry__lte=now).delete()[0]:
                _record_token(Verb.TOKEN_ENDED, token, actor=Actor.portal(), why="expired")
    known_devices.prune(now=now)
    mailed_links.prune(now=now)
    browsers.prune()


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
