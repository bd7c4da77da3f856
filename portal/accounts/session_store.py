"""The sessions of browsers: Django's table, read together with what the portal knows of the browser
(SESSION_ENGINE). A session ends at a fixed time, and earlier if its browser is not used (ADR 71).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.models import BrowserSession, EndedSession, WhyEnded

MUST_CHOOSE_PASSWORD: Final = "must_choose_password"  # noqa: S105 — a key of the session
"""In a session that was opened with a password that someone else chose."""
SEEN_PRECISION: Final = timedelta(minutes=1)
"""The precision of `last_seen_at`."""
SAYS_WHY_FOR: Final = timedelta(days=1)
"""How long the cookie of a session that is over stays, and what the portal knows of it, so that the
sign-in page can say why.
"""


class SessionStore(db.SessionStore):
    """One session. Its class has the name of Django's, from which Django derives the signature, so
    that sessions of earlier releases stay open.
    """

    browser: BrowserSession | None = None
    """None before it is loaded, and until its person gives the second factor."""
    ended: WhyEnded = WhyEnded.NO
    """Known once it is loaded."""

    def load(self) -> dict[str, Any]:
        row = live_sessions().filter(session_key=self.session_key).first()
        self.browser = getattr(row, "browser", None)
        if row is None:
            self.ended = _why_ended(self.session_key)
            # The next save must not use a key that someone else chose.
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def is_empty(self) -> bool:
        """Django deletes the cookie of an empty session. That of an ended one is the only sign of
        it at the sign-in.
        """
        return super().is_empty() and not self.ended

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Seconds that the browser keeps the cookie: longer than the portal accepts it."""
        return int(super().get_expiry_age(**kwargs) + SAYS_WHY_FOR.total_seconds())

    @classmethod
    def clear_expired(cls) -> None:
        before = timezone.now() - SAYS_WHY_FOR
        Session.objects.filter(expire_date__lt=before).delete()
        EndedSession.objects.filter(ended_at__lt=before).delete()


def end_now(keys: Iterable[str], why: WhyEnded) -> int:
    """End the sessions with these keys; their browsers learn why at the next sign-in. How many
    were open.
    """
    ended, now = list(keys), timezone.now()
    EndedSession.objects.bulk_create(
        [EndedSession(digest=EndedSession.digest_of(key), why=why, ended_at=now) for key in ended],
        ignore_conflicts=True,
    )
    deleted, _ = Session.objects.filter(session_key__in=ended).delete()
    return deleted


def live_sessions() -> QuerySet[Session]:
    """Those that are not over, each with its `browser`, if it has one."""
    now = timezone.now()
    found = Session.objects.select_related("browser").filter(expire_date__gt=now)
    return found.exclude(browser__last_seen_at__lte=_idle_since(now))


def ended_of(request: HttpRequest) -> WhyEnded:
    """Why the session is over whose cookie this request brought."""
    # Reading a key loads it.
    request.session.get("")
    return request.session.ended if isinstance(request.session, SessionStore) else WhyEnded.NO


def _idle_since(now: datetime) -> datetime:
    # A use within the last minute may not have been noted.
    return now - settings.SESSION_IDLE - SEEN_PRECISION


def _why_ended(key: str | None) -> WhyEnded:
    now = timezone.now()
    browser = BrowserSession.objects.select_related("session").filter(session_id=key).first()
    if browser is None:
        digest = EndedSession.digest_of(key or "")
        why = EndedSession.objects.filter(digest=digest).values_list("why", flat=True).first()
        return WhyEnded(why or "")
    if browser.session.expire_date <= now:
        return WhyEnded.TIME
    return WhyEnded.IDLE if browser.last_seen_at <= _idle_since(now) else WhyEnded.NO
