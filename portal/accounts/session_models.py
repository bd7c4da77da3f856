"""What the portal knows of browsers that are signed in, and of sessions that it ended."""

from __future__ import annotations

import hashlib
import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

MAX_USER_AGENT = 300
"""Characters that are kept of what a browser or a program calls itself."""


class WhyEnded(models.TextChoices):
    """Why a session is over, as its own browser reads it."""

    NO = ""
    IDLE = "idle"
    "the browser was not used"
    TIME = "time"
    "it reached its fixed end"
    PERSON = "person"
    "its person ended it from another browser or app"
    TOO_MANY = "too-many"
    "the person signed in with more browsers than are allowed"
    PASSWORD = "password"  # noqa: S105 - no password
    "the password was changed"
    FACTOR = "factor"
    "the second factor or the identity provider that opened it is gone"
    ACCESS = "access"
    "the person may not sign in, or not in this way"


class BrowserSession(models.Model):
    """What the portal knows of a browser that is signed in, beside its session: whose it is, what
    it is, and when it was used. Its row ends with the session's.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    """Its name in addresses and in the audit; the session's key stays secret."""
    session = models.OneToOneField(
        "sessions.Session",
        on_delete=models.CASCADE,
        related_name="browser",
        # A process of the previous release deletes sessions and knows nothing of this table.
        db_constraint=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="browser_sessions"
    )
    user_agent = models.CharField(max_length=MAX_USER_AGENT)
    """What it calls itself."""
    address = models.CharField(max_length=64)
    """From where it was used last."""
    signed_in_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    """To the minute, since one write per request would be too many."""

    class Meta:
        indexes: ClassVar = [
            # for the sign-in that ends the session used least recently
            models.Index(fields=["user", "last_seen_at"], name="browser_session_oldest"),
        ]

    def __str__(self) -> str:
        return f"a browser of {self.user_id}"


class EndedSession(models.Model):
    """A session that was ended before its time, so that the sign-in page can say why to the browser
    that still has its cookie. Of its key, only the hash is saved.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    why = models.CharField(max_length=16, choices=WhyEnded.choices)
    ended_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["ended_at"], name="ended_session_age")]

    def __str__(self) -> str:
        return f"a session that ended: {self.why}"

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
