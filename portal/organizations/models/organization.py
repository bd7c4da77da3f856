"""The tenants."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

MIN_PATIENCE_S = 1
MAX_PATIENCE_S = 600
MIN_LIFETIME_S = 30
MAX_LIFETIME_S = 2**32 - 1
MAX_LIVE_REQUESTS = 100_000
"""The highest limit on live requests that staff can set."""
MIN_APPROVAL_WAIT_S = 60
MAX_APPROVAL_WAIT_S = 24 * 3600


class LateAcceptance(models.TextChoices):
    """What the portal does with a replacement provider if the earlier provider accepts
    after all.
    """

    KEEP = "keep", "Keep both until a person withdraws one"
    WITHDRAW_LATER = "withdraw_later", "Withdraw the later one once the earlier one filters"


class Approval(models.TextChoices):
    """Which requests wait until a second person approves them."""

    NEVER = "never", "None"
    LARGER = "larger", "Those for large prefixes"
    AUTOMATIC = "automatic", "Those of programs: service tokens and alerts"
    ALL = "all", "All"


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
    shortest_prefix_v4 = models.PositiveSmallIntegerField(
        "largest IPv4 prefix, as its length",
        null=True,
        blank=True,
        help_text="24 refuses a request for a /23. Empty: no limit.",
    )
    shortest_prefix_v6 = models.PositiveSmallIntegerField(
        "largest IPv6 prefix, as its length",
        null=True,
        blank=True,
        help_text="48 refuses a request for a /47. Empty: no limit.",
    )
    approval = models.CharField(
        "requests that a second person approves",
        max_length=16,
        choices=Approval.choices,
        default=Approval.NEVER,
        db_default=Approval.NEVER,
    )
    approval_prefix_v4 = models.PositiveSmallIntegerField(
        "IPv4 prefixes larger than this need approval",
        default=24,
        db_default=24,
        help_text="Only if those for large prefixes need it.",
    )
    approval_prefix_v6 = models.PositiveSmallIntegerField(
        "IPv6 prefixes larger than this need approval",
        default=48,
        db_default=48,
        help_text="Only if those for large prefixes need it.",
    )
    approval_wait_s = models.PositiveIntegerField(
        "how long a request waits for approval, in seconds",
        default=1800,
        db_default=1800,
        help_text="After that it expires, and nothing is sent.",
    )
    names_in_notices = models.BooleanField(
        "names of targets in the titles of notices",
        default=False,
        db_default=False,
        help_text="Titles are shown on locked screens, and pass through mail servers and chats.",
    )
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when it asks for nothing new (portal.organizations.suspension); null: it is not
    suspended.
    """
    suspension_reason = models.CharField(
        max_length=500, blank=True, default="", db_default="", editable=False
    )

    class Meta:
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("act_for_organization", "Can act for an organization")]
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
            models.CheckConstraint(
                condition=Q(approval__in=Approval.values), name="approval_is_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(shortest_prefix_v4__lte=32) | Q(shortest_prefix_v4=None),
                    Q(shortest_prefix_v6__lte=128) | Q(shortest_prefix_v6=None),
                    approval_prefix_v4__lte=32,
                    approval_prefix_v6__lte=128,
                ),
                name="policy_prefixes_in_range",
                violation_error_message="Prefix lengths are 0 to 32 for IPv4, 0 to 128 for IPv6.",
            ),
            models.CheckConstraint(
                condition=Q(approval_wait_s__range=(MIN_APPROVAL_WAIT_S, MAX_APPROVAL_WAIT_S)),
                name="approval_wait_in_range",
                violation_error_message="A request waits for approval 60 s to 24 hours.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
