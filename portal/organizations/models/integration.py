"""What a program outside is connected by."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar, Final

from django.conf import settings
from django.db import models

from portal.organizations.models.organization import Organization

MAX_INTEGRATION_NAME_LENGTH: Final = 60


class Integration(models.Model):
    """A program of an organization that calls the portal, or that the portal calls, with a secret:
    an endpoint of a detector, or a channel of notices.
    """

    word: ClassVar[str]
    """What people call it: "endpoint"."""
    object_kind: ClassVar[str]
    """What it is in audit entries: "alert_endpoint"."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=MAX_INTEGRATION_NAME_LENGTH)
    is_enabled = models.BooleanField(default=True)
    previous_until = models.DateTimeField(null=True)
    """Until when the secret before the newest one works too; null: there is none."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} ({self.word})"

    def has_previous(self, now: datetime) -> bool:
        """Whether the secret before the newest one works too."""
        return self.previous_until is not None and self.previous_until > now
