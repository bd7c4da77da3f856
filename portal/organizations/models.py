"""Tenants, their members, and their protected resources."""

from __future__ import annotations

import hashlib
import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from portal.core.targets import Target, shown, why_not
from portal.core.wording.targets import sentence

MIN_PATIENCE_S = 1
MAX_PATIENCE_S = 600
MIN_LIFETIME_S = 30
MAX_LIFETIME_S = 2**32 - 1
MAX_LIVE_REQUESTS = 100_000
"""The highest limit on live requests that staff can set."""
MAX_KEY_LENGTH = 200
"Characters of an idempotency key."


class Role(models.TextChoices):
    """What a member may do. Each role includes the permissions of the roles before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(needed)


class LateAcceptance(models.TextChoices):
    """What the portal does with a replacement provider if the earlier provider accepts
    after all.
    """

    KEEP = "keep", "Keep both until a person withdraws one"
    WITHDRAW_LATER = "withdraw_later", "Withdraw the later one once the earlier one filters"


class Organization(models.Model):
    """A tenant: an enterprise, or a customer of the portal's operator."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(
        "name in addresses",
        max_length=50,
        unique=True,
        help_text="Part of the URL of every page of the organization. Changing it breaks links.",
    )
    name = models.CharField(max_length=200)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="Untick to lock members out. Their live requests continue.",
    )
    patience_s = models.PositiveIntegerField(
        "patience, in seconds",
        default=10,
        help_text="How long a provider may stay silent before the portal asks the next one.",
    )
    """How long a provider may be silent before the portal asks the next one."""
    default_lifetime_s = models.PositiveBigIntegerField(
        "lifetime offered, in seconds", default=3600
    )
    max_lifetime_s = models.PositiveBigIntegerField("longest lifetime, in seconds", default=86400)
    may_be_indefinite = models.BooleanField(
        "may ask without an end",
        default=True,
        help_text="Allows requests that run until a person terminates them.",
    )
    late_acceptance = models.CharField(
        "when an earlier provider accepts late",
        max_length=16,
        choices=LateAcceptance.choices,
        default=LateAcceptance.KEEP,
    )
    """Providers that a person asked manually always stay."""
    max_live_requests = models.PositiveIntegerField(
        "limit on live requests",
        default=100,
        db_default=100,
        help_text="At the limit members can still terminate, withdraw and extend.",
    )
    max_live_requests_per_person = models.PositiveIntegerField(
        "limit on live requests per person",
        default=20,
        db_default=20,
        help_text="Applies to each service token and alert source too.",
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(patience_s__gte=MIN_PATIENCE_S, patience_s__lte=MAX_PATIENCE_S),
                name="patience_in_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    default_lifetime_s__gte=MIN_LIFETIME_S,
                    default_lifetime_s__lte=F("max_lifetime_s"),
                    max_lifetime_s__lte=MAX_LIFETIME_S,
                ),
                name="lifetimes_in_range",
            ),
            models.CheckConstraint(
                condition=Q(late_acceptance__in=LateAcceptance.values),
                name="late_acceptance_is_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    max_live_requests__range=(1, MAX_LIVE_REQUESTS),
                    max_live_requests_per_person__range=(1, MAX_LIVE_REQUESTS),
                ),
                name="live_request_limits_in_range",
                violation_error_message=f"Limits on live requests are 1 to {MAX_LIVE_REQUESTS:,}.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's role in an organization."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_role_per_member"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.organization}"

    def allows(self, role: Role) -> bool:
        return Role(self.role).covers(role)

    @property
    def can_operate(self) -> bool:
        return self.allows(Role.OPERATOR)

    @property
    def can_administer(self) -> bool:
        return self.allows(Role.ADMIN)


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


class ResultKind(models.TextChoices):
    """What a call with an idempotency key created."""

    REQUEST = "request"
    "a mitigation request, also that of a standby plan"
    RESOURCE = "resource"


class IdempotencyKey(models.Model):
    """The first result of a call that a client may repeat: portal.organizations.idempotency."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    sender = models.CharField(max_length=100)
    """Who sent it: the kind of the actor and its id, such as `person:12`."""
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    digest = models.CharField(max_length=64)
    """SHA-256 of the call's content, in hexadecimal."""
    result_kind = models.CharField(max_length=20, choices=ResultKind.choices)
    result_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "sender", "result_kind", "key"], name="one_result_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Invitation(models.Model):
    """A link in a mail that makes its reader a member, once and until it expires.

    The link holds a random word; only its hash is stored.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="invitations"
    )
    email = models.EmailField()
    """In lower case."""
    role = models.CharField(max_length=16, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    is_by_staff = models.BooleanField(default=False)
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

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


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
