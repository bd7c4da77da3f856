"""The browsers that are signed in: noted at the second factor, and while they are used."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import Error, transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import MAX_USER_AGENT, BrowserSession, User, WhyEnded
from portal.accounts.session_store import SEEN_PRECISION, SessionStore, end_now
from portal.accounts.signals import credential_ending
from portal.accounts.user_agents import device_words
from portal.audit.recording import Object
from portal.audit.verbs import Verb
from portal.core.addresses import address_of
from portal.core.broadcast import access_changed_on_commit
from portal.core.database import is_away

logger = logging.getLogger(__name__)

MAX_BROWSERS_PER_USER: Final = 30
"""Beyond it, a sign-in ends the session that was used least recently."""


def note_signed_in(request: HttpRequest, user_id: UUID, *, at: datetime | None = None) -> None:
    """The session of this request is fully open since `at`; None: from now on."""
    now, session = timezone.now(), _store_of(request)
    assert session.session_key, "a session has its key once it is saved"
    with transaction.atomic():
        session.browser, _ = BrowserSession.objects.get_or_create(
            session_id=session.session_key,
            defaults={
                "user_id": user_id,
                "user_agent": request.headers.get("User-Agent", "")[:MAX_USER_AGENT],
                "address": address_of(request)[:64],
                "signed_in_at": at or now,
                "last_seen_at": now,
            },
        )
        own = BrowserSession.objects.filter(user_id=user_id).exclude(pk=session.browser.pk)
        excess = own.select_related("user").order_by("-last_seen_at", "pk")
        for oldest in excess[MAX_BROWSERS_PER_USER - 1 :]:
            end_browser(oldest, actor=Actor.portal(), why=WhyEnded.TOO_MANY)


def carry_browser_over(request: HttpRequest, browser: BrowserSession | None) -> None:
    """The session of this request has a new key, and remains that of `browser`."""
    session = _store_of(request)
    if browser is not None and session.session_key:
        browser.session_id = session.session_key
        browser.save(force_insert=True)
        session.browser = browser


def note_use(request: HttpRequest, user: User) -> None:
    """The browser of this request is used now, to SEEN_PRECISION."""
    session, now = _store_of(request), timezone.now()
    browser = session.browser
    if browser is not None and now - browser.last_seen_at < SEEN_PRECISION:
        return
    try:
        if browser is None:
            # A release without this table opened the session.
            lasts = timedelta(seconds=settings.SESSION_COOKIE_AGE)
            note_signed_in(request, user.pk, at=session.get_expiry_date() - lasts)
            return
        browser.last_seen_at, browser.address = now, address_of(request)[:64]
        BrowserSession.objects.filter(pk=browser.pk).update(
            last_seen_at=browser.last_seen_at, address=browser.address
        )
    except Error as error:
        _tolerate(error)


def note_open_pages(session_keys: Collection[str]) -> None:
    """The browsers of these sessions have a page open that counts as use."""
    now = timezone.now()
    due = BrowserSession.objects.filter(
        session_id__in=session_keys, last_seen_at__lte=now - SEEN_PRECISION
    )
    try:
        due.update(last_seen_at=now)
    except Error as error:
        _tolerate(error)


def _tolerate(error: Error) -> None:
    """A read-only database still answers reads."""
    if not is_away(error):
        raise error
    logger.warning("the use of a session was not recorded: %s", error)


@transaction.atomic
def end_browser(
    browser: BrowserSession,
    *,
    actor: Actor,
    why: WhyEnded = WhyEnded.PERSON,
    address: str = "",
) -> None:
    """End its session and its open sockets. Repeating it is harmless."""
    user, key = browser.user, browser.session_id
    credential_ending.send(sender=None, credential=key, user=user)
    deleted = end_now([key], why)
    BrowserSession.objects.filter(pk=browser.pk).delete()
    if deleted:
        record_about(
            Verb.SESSION_ENDED,
            user,
            actor=actor,
            about=Object("session", browser.pk, device_words(browser.user_agent)),
            after={
                "of": user.username,
                **({} if why == WhyEnded.PERSON else {"why": why.value}),
            },
            address=address,
        )
    access_changed_on_commit(user.pk)


def prune() -> None:
    """Delete the rows whose session a process of the previous release deleted."""
    is_open = Exists(Session.objects.filter(session_key=OuterRef("session_id")))
    BrowserSession.objects.exclude(is_open).delete()


def _store_of(request: HttpRequest) -> SessionStore:
    assert isinstance(request.session, SessionStore), "settings.SESSION_ENGINE names it"
    return request.session
