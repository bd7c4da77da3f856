"""The members of an organization, and who is to become one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.accounts.acting import Acting
from portal.organizations.models.mailed_invitation import MailedInvitation
from portal.organizations.models.organization import Organization

if TYPE_CHECKING:
    from portal.organizations.models.service_token import ServiceToken


class Role(models.TextChoices):
    """What a member may do. Each role includes the permissions of the roles before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(needed)


class Membership(models.Model):
    """A person's role in an organization."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)

    ceiling: Role = Role.ADMIN
    """Not a column: the highest role that the token of the current call allows."""
    service_token: ServiceToken | None = None
    """Not a column: the caller, if it is no person. Such a row is never saved."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_role_per_member"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_is_known"),
        ]

    acting: Acting | None = None
    """Not a column: set if it is no row, and staff act for the organization."""

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.organization}"

    def allows(self, role: Role) -> bool:
        return Role(self.role).covers(role) and self.ceiling.covers(role)

    @property
    def is_staff(self) -> bool:
        """Whether the portal's staff looks, who may follow links into `/admin/`."""
        return self.service_token is None and self.user.is_staff

    @property
    def holder_id(self) -> uuid.UUID:
        """The id of the person or of the service token."""
        return self.service_token.pk if self.service_token else self.user_id

    @property
    def can_operate(self) -> bool:
        return self.allows(Role.OPERATOR)

    @property
    def can_administer(self) -> bool:
        return self.allows(Role.ADMIN)


class Invitation(MailedInvitation):
    """Its reader becomes a member."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="invitations"
    )
    role = models.CharField(max_length=16, choices=Role.choices)
    is_by_staff = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_invitation_per_address",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="invited_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.role} of {self.organization_id}"


class FactorReset(models.Model):
    """A lost phone: an admin started the reset of a member's second factor, and a second admin has
    to confirm it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="factor_resets"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    reason = models.CharField(max_length=500)
    """How the first admin checked who asked."""
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_reset_per_member"),
        ]

    def __str__(self) -> str:
        return f"reset of {self.user_id}"
