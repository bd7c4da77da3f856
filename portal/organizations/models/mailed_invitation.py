"""A link in a mail that gives its reader a role."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import models

HOLDS: Final = timedelta(days=7)
TOKEN_BYTES: Final = 32


class MailedInvitation(models.Model):
    """It works once, until it expires. The link holds a random word; only its hash is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    """In lower case."""
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField()
    """When the last mail was handed to the worker that sends it."""
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

    def renew_link(self, now: datetime) -> str:
        """Set a new link, not saved yet; returns its word. The link of an earlier mail ends."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self.digest = self.digest_of(token)
        self.sent_at, self.expires_at = now, now + HOLDS
        return token
