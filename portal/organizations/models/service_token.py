"""The tokens that belong to an organization."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.organizations.models.membership import Role
from portal.organizations.models.organization import Organization


class ServiceToken(models.Model):
    """A token of a program that belongs to the organization, not to the person who made it. Only a
    hash is stored.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="service_tokens"
    )
    name = models.CharField(max_length=64)
    """Events and quotas name it: each name once in an organization."""
    digest = models.CharField(max_length=128, unique=True)
    hint = models.CharField(max_length=16)
    """The first characters, by which people recognize it."""
    role = models.CharField(max_length=16, choices=Role.choices)
    allowed_networks = models.CharField(max_length=1000, blank=True, default="")
    """Separated by spaces; empty: everywhere (portal.accounts.networks)."""
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_used_address = models.CharField(max_length=64, blank=True, default="")

    is_authenticated = True
    """For REST framework, as the caller."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="service_token_name_once"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[Role.VIEWER, Role.OPERATOR]),
                name="service_token_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.organization_id}"

    @property
    def audit_name(self) -> str:
        """How an audit entry names the token by which it acts."""
        return f"{self.pk}:{self.name}"

    @property
    def username(self) -> str:
        """How the security log names it."""
        return f"service token {self.name}"
