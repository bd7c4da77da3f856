"""Staff who act for an organization."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.organizations.models.organization import Organization


class ActingEnd(models.TextChoices):
    """Why staff no longer act for an organization."""

    STOPPED = "stopped"
    "the person stopped"
    TIME = "time"
    SIGNED_OUT = "signed_out"
    RIGHT = "right"
    "the person may no longer act for organizations"


class StaffActing(models.Model):
    """A member of the portal's staff acts for an organization, through one session or token."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    credential = models.CharField(max_length=80)
    """The session or the token, as `acting.name_of_credential` names it."""
    reason = models.CharField(max_length=500)
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=16, choices=ActingEnd.choices, blank=True)
    """Empty while `ended_at` is null."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["credential"],
                condition=Q(ended_at__isnull=True),
                name="one_organization_acted_for",
            ),
        ]
        indexes: ClassVar = [
            # for the end of rights, and the task that records the end of the time
            models.Index(
                fields=["user"], condition=Q(ended_at__isnull=True), name="acting_of_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} for {self.organization_id}"
