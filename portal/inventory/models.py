"""Mitigations that providers hold under our identity although no request of the portal asked for
them.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.core.json_value import JSONValueField
from portal.core.targets import PortRange, ReportedTargets
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.release import MAX_RELEASE_TRIES, is_held_after_withdrawal
from portal.organizations.models import Organization
from portal.providers.models import Subscription


class Inventory(models.Model):
    """The last answer of one provider about everything it holds (RFC 9132 section 4.4.2)."""

    subscription = models.OneToOneField(
        Subscription, on_delete=models.CASCADE, primary_key=True, related_name="inventory"
    )
    asked_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    """When it last returned a list; null: never."""
    refusal = models.CharField(max_length=12, blank=True)
    """Why it returned no list last time: a response code, `silence` or `unreadable`; empty if it
    returned one.
    """
    not_kept = models.PositiveIntegerField(default=0)
    """Unknown mitigations in the list beyond the limit."""

    def __str__(self) -> str:
        return f"inventory of {self.subscription_id}"


class Ending(models.TextChoices):
    """Why an unknown mitigation has ended."""

    GONE = "gone"
    """The provider no longer holds it."""
    ADOPTED = "adopted"
    """A request owns it."""
    EXPLAINED = "explained"
    """A request of the portal turned out to have asked for it."""
    IDENTITY = "identity"
    """The portal now has another cuid at this provider and can no longer ask about it."""


class UnknownMitigation(models.Model):
    """A mitigation that a provider holds under our identity although no request of the portal asked
    for it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="unknown_mitigations"
    )
    cuid = models.CharField(max_length=64)
    mid = models.PositiveBigIntegerField()
    targets = JSONValueField(ReportedTargets)
    ports = JSONValueField(tuple[PortRange, ...], default=tuple)
    protocols = JSONValueField(tuple[int, ...], default=tuple)
    filters = JSONValueField(tuple[str, ...], default=tuple)
    """The filters that it switches on or off, by name (RFC 9133)."""
    is_whole = models.BooleanField(default=True)
    """Whether the columns above hold the provider's whole scope."""
    is_preconfigured = models.BooleanField(default=False)
    """`trigger-mitigation` false: the provider starts it when it loses contact."""
    dots_status = models.PositiveSmallIntegerField(null=True)
    """RFC 9132 Table 3; null: the provider does not say."""
    mitigation_start = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    """Null: not reported, or `is_indefinite`."""
    is_indefinite = models.BooleanField(default=False)
    found_at = models.DateTimeField()
    reported_at = models.DateTimeField()
    """When the provider last reported it."""
    asked_once = models.ForeignKey(
        Mitigation, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    """The ended mitigation of this portal that asked for it."""

    withdrawal_asked_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    withdrawal_confirmed_at = models.DateTimeField(null=True)
    """When the provider first confirmed the withdrawal."""
    told_at = models.DateTimeField(null=True)
    """When the provider last confirmed the withdrawal."""
    release_tried_at = models.DateTimeField(null=True, db_column="let_go_at")
    """When the portal last tried, with a lifetime of 1, to end it while the provider still held it
    in standby.
    """
    release_tries = models.PositiveSmallIntegerField(
        default=0, db_default=0, db_column="let_go_tries"
    )
    refusal_code = models.CharField(max_length=8, blank=True)
    """The code of the last withdrawal if the provider refused it."""

    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=12, blank=True, choices=Ending.choices)
    adopted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    request = models.ForeignKey(
        MitigationRequest, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The request that adopted it."""

    class Meta:
        ordering: ClassVar = ["found_at", "mid"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "mid"],
                condition=Q(ended_at=None),
                name="one_unknown_per_mid",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["subscription"],
                condition=Q(ended_at=None, withdrawal_asked_at__isnull=False),
                name="unknown_to_withdraw",
            ),
            models.Index(fields=["organization", "ended_at"], name="unknown_of_tenant"),
        ]

    def __str__(self) -> str:
        return f"unknown mid {self.mid} at {self.subscription_id}"

    @property
    def is_still_held(self) -> bool:
        """Whether the provider confirmed the withdrawal but still reports the mitigation in
        standby.
        """
        return is_held_after_withdrawal(
            self.withdrawal_confirmed_at, dots_status=self.dots_status, reported_at=self.reported_at
        )

    @property
    def is_release_given_up(self) -> bool:
        return self.release_tries >= MAX_RELEASE_TRIES

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None
