"""What the portal knows of an organization's claim to a resource, and the checks of it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.core.json_value import JSONValueField
from portal.organizations.models import ProtectedResource
from portal.ownership.evidence import Finding
from portal.ownership.places import new_token
from portal.ownership.states import ClaimState, ProofMethod, ProofResult


class WaitsBecause(models.TextChoices):
    """Why portal staff decide and not the portal itself."""

    ASKED = "asked"
    "a member asked them"
    OVERLAPS = "overlaps"
    "a verified resource of another organization overlaps with it"
    SIZE = "size"
    "by the policy of the installation, only staff verify prefixes of this length"
    RULES = "rules"
    "it was added under older rules, and today's forbid it"
    REFUSED_BEFORE = "refused_before"
    "staff refused it earlier"


METHODS = [(one.value, one.name) for one in ProofMethod]
RESULTS = [(one.value, one.name) for one in ProofResult]


class ResourceClaim(models.Model):
    """Of one resource. `ProtectedResource.verified_at` says whether it may be used; this says why,
    and why not yet.
    """

    resource = models.OneToOneField(
        ProtectedResource,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="ownership_claim",
    )
    token = models.CharField(max_length=43, default=new_token, editable=False)
    """The text that only the owner of the resource can publish. No secret: it is published."""
    method = models.CharField(max_length=8, choices=METHODS, blank=True, default="")
    """What verified it; empty: nothing yet, or an earlier release."""
    waits_since = models.DateTimeField(null=True)
    waits_because = models.CharField(
        max_length=16, choices=WaitsBecause.choices, blank=True, default=""
    )
    refused_at = models.DateTimeField(null=True)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    refusal_reason = models.CharField(max_length=500, blank=True, default="")
    """What staff wrote for the organization."""
    missing_since = models.DateTimeField(null=True)
    """When a check first did not find the proof of a verified resource."""

    def __str__(self) -> str:
        return f"{self.resource_id}: {self.state.value}"

    @property
    def state(self) -> ClaimState:
        if self.resource.is_verified:
            return ClaimState.PROOF_MISSING if self.missing_since else ClaimState.VERIFIED
        if self.waits_since:
            return ClaimState.WAITING
        return ClaimState.REFUSED if self.refused_at else ClaimState.UNPROVED


class ResourceProof(models.Model):
    """One check of a claim."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    resource = models.ForeignKey(ProtectedResource, on_delete=models.CASCADE, related_name="proofs")
    method = models.CharField(max_length=8, choices=METHODS)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    """Null: the portal, which checks again each week."""
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    """Null while it runs, or waits for its turn."""
    result = models.CharField(max_length=16, choices=RESULTS, blank=True, default="")
    """Empty while it runs, and for staff."""
    findings = JSONValueField(tuple[Finding, ...], default=tuple)
    is_signed = models.BooleanField(null=True)
    """Whether the portal's resolver validated the answer by DNSSEC; null: not applicable."""

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resource"], condition=Q(ended_at__isnull=True), name="one_check_at_a_time"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["asked_at"], condition=Q(ended_at__isnull=True), name="proof_to_check"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} of {self.resource_id}: {self.result}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None
