"""What an organization protects."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.core.targets import Target, shown, why_not
from portal.core.wording.targets import sentence
from portal.organizations.models.organization import Organization


class ResourceKind(models.TextChoices):
    """The kind of a protected resource."""

    PREFIX = "prefix"
    FQDN = "fqdn"
    URI = "uri"


class ProtectedResource(models.Model):
    """A target that the organization may request protection for, with a name for people."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="resources"
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=ResourceKind.choices)
    value = models.CharField(max_length=255)
    """In normal form: see portal.core.targets."""
    verified_at = models.DateTimeField(null=True, blank=True)
    """When the portal's staff confirmed that it belongs to the organization; null: not yet."""
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    verification_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    """The reason that staff gave if resources of other organizations overlap with it."""
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "name"], name="resource_name_once"),
            models.UniqueConstraint(
                fields=["organization", "kind", "value"], name="resource_value_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ResourceKind.values), name="resource_kind_is_known"
            ),
        ]
        indexes: ClassVar = [
            # for the picker, which lists the most recently used first
            models.Index(fields=["organization", "-last_used_at"], name="resource_last_used"),
        ]

    def __str__(self) -> str:
        return f"{shown(self.name)} ({shown(self.value)})"

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None

    @property
    def target(self) -> Target:
        return Target.saved(self.kind, self.value)

    @property
    def problem(self) -> str:
        """Why no provider can protect it, as a sentence; empty if one can.

        Affects resources that were added under older rules.
        """
        found = why_not(self.target)
        return sentence(found) if found else ""
