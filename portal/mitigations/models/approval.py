"""The approval that a request waits for, or waited for."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.core.json_value import JSONValueField
from portal.mitigations.models.columns import ApprovalPreview
from portal.mitigations.models.request import MitigationRequest
from portal.organizations.models import Approval, Organization

MAX_APPROVAL_REASON_LENGTH = 500


class ApprovalOutcome(models.TextChoices):
    """What became of it."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELED = "canceled"
    """The request was terminated first."""
    BREAK_GLASS = "break_glass"
    """Sent without approval, for a reason."""


class RequestApproval(models.Model):
    """The approval of one request, by a second person, of the messages that they saw."""

    request = models.OneToOneField(
        MitigationRequest, on_delete=models.CASCADE, primary_key=True, related_name="approval"
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="approvals"
    )
    cause = models.CharField(max_length=16, choices=Approval.choices)
    """The rule of the policy that asked for it."""
    larger_than = models.PositiveSmallIntegerField(null=True)
    """For the rule LARGER: the length of the prefixes that need no approval."""
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    beside = JSONValueField(tuple[UUID, ...], default=tuple)
    """The requests of the plan that it activates: sending it does not end them."""
    told = JSONValueField(tuple[str, ...], default=tuple)
    """Who got a mail, by user name."""
    preview = JSONValueField(ApprovalPreview)
    """What the request would send when it was submitted; after an approval, what was approved."""
    digest = models.CharField(max_length=64)
    """Of `preview`: SHA-256 in hexadecimal."""
    outcome = models.CharField(
        max_length=16, choices=ApprovalOutcome.choices, default=ApprovalOutcome.WAITING
    )
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=MAX_APPROVAL_REASON_LENGTH, blank=True, default="")
    """Why it was declined, or sent without approval."""

    class Meta:
        indexes: ClassVar = [
            # the page of approvals, and the count beside its link
            models.Index(
                fields=["organization", "asked_at"],
                condition=Q(outcome=ApprovalOutcome.WAITING),
                name="approval_waiting",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(outcome=ApprovalOutcome.WAITING),
                name="approval_expires",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(outcome__in=ApprovalOutcome.values), name="approval_outcome_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.outcome}"

    def is_open(self, now: datetime) -> bool:
        return self.outcome == ApprovalOutcome.WAITING and now < self.expires_at
