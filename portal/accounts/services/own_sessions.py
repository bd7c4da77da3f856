"""Where a person is signed in: browsers by their sessions, apps by their tokens. The tokens that a
person made for programs are apart (tokens.py): no one is signed in with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.accounts.access import users_of_sessions
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, BrowserSession, User
from portal.accounts.services.browsers import MAX_BROWSERS_PER_USER, end_browser
from portal.accounts.services.step_up import Credential
from portal.accounts.services.tokens import live_apps, revoke_token
from portal.accounts.user_agents import device_words
from portal.core.errors import Conflict, NotFound
from portal.core.security_log import SecurityEvent, record

THIS_ONE: Final = "You are using this session now. Sign out to end it."


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One place where a person is signed in."""

    id: UUID
    kind: str
    "browser, or app"
    device: str
    "what people call it; an app named itself when it signed in"
    address: str
    "from where it was used last; empty: unknown"
    signed_in_at: datetime
    last_seen_at: datetime | None
    "to the minute; None: not since it signed in"
    is_this: bool
    "the call comes from it"
    holder: BrowserSession | ApiToken


def own_sessions(user: User, credential: Credential) -> list[OwnSession]:
    """That of `credential` first, then the most recently used."""
    found = [*_browsers(user, credential), *_apps(user, credential)]
    found.sort(key=lambda one: one.last_seen_at or one.signed_in_at, reverse=True)
    return sorted(found, key=lambda one: not one.is_this)


@transaction.atomic
def end_session(*, user: User, session_id: UUID, credential: Credential, address: str) -> str:
    """End one of a person's sessions, with its sockets, and return what it was. NotFound for
    another person's, Conflict for the one of `credential`. Needs a fresh factor, which the caller
    checks.
    """
    for one in own_sessions(user, credential):
        if one.id == session_id:
            if one.is_this:
                raise Conflict(THIS_ONE, code="this-session")
            _end(one, user, address)
            return one.device
    raise NotFound


@transaction.atomic
def end_other_sessions(*, user: User, credential: Credential, address: str) -> int:
    """End all but that of `credential`; how many. Needs a fresh factor, which the caller checks."""
    others = [one for one in own_sessions(user, credential) if not one.is_this]
    for one in others:
        _end(one, user, address)
    return len(others)


def _browsers(user: User, credential: Credential) -> Iterator[OwnSession]:
    rows = BrowserSession.objects.filter(user=user).select_related("user")
    newest = list(rows.order_by("-last_seen_at", "pk")[:MAX_BROWSERS_PER_USER])
    people = users_of_sessions([row.session_id for row in newest])
    key = None if isinstance(credential, ApiToken) else credential.session_key
    for row in newest:
        if people.get(row.session_id) == user:
            yield OwnSession(
                id=row.pk,
                kind="browser",
                device=device_words(row.user_agent),
                address=row.address,
                signed_in_at=row.signed_in_at,
                last_seen_at=row.last_seen_at,
                is_this=row.session_id == key,
                holder=row,
            )


def _apps(user: User, credential: Credential) -> Iterator[OwnSession]:
    for token in live_apps(user):
        yield OwnSession(
            id=token.device_id,
            kind="app",
            device=token.device_name,
            address=token.last_used_address,
            signed_in_at=token.created,
            last_seen_at=token.last_used_at,
            is_this=isinstance(credential, ApiToken) and credential.pk == token.pk,
            holder=token,
        )


def _end(one: OwnSession, user: User, address: str) -> None:
    if isinstance(one.holder, ApiToken):
        revoke_token(token=one.holder, address=address)
        return
    end_browser(one.holder, actor=Actor.person(user), address=address)
    record(SecurityEvent.SESSION_ENDED, user=user.username, device=one.device, address=address)
