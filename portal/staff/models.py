"""What changes who belongs to the portal's staff."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.organizations.models import MailedInvitation


class StaffRole(models.TextChoices):
    """What a member of the staff may do. Each role includes the rights of the roles before it."""

    SUPPORT = "support"
    OPERATIONS = "operations"
    MANAGER = "manager"


class StaffInvitation(MailedInvitation):
    """Its reader becomes a member of the staff."""

    role = models.CharField(max_length=16, choices=StaffRole.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_staff_invitation_per_address",
            ),
            models.CheckConstraint(
                condition=Q(role__in=StaffRole.values), name="invited_staff_role_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.role} of the staff"


class StaffFactorReset(models.Model):
    """A lost phone: a manager asked for the reset of a colleague's second factor, and a second
    manager has to confirm it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    reason = models.CharField(max_length=500)
    """How the first manager checked who asked."""
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"reset of {self.user_id} of the staff"
