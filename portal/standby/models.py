"""Plans that providers hold for the time when the portal cannot reach them, and drills that test
this.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from portal.core.json_value import JSONValueField
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.organizations.models import Organization
from portal.providers.models import Subscription

MAX_NAME_LENGTH = 100


class StandbyPlan(models.Model):
    """A request that its providers hold in standby for as long as it is on.

    Its request has the targets.
    """

    object_kind: ClassVar = "plan"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="plans")
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    request = models.OneToOneField(MitigationRequest, on_delete=models.PROTECT, related_name="plan")
    """The newest version that the providers were asked to hold."""
    earlier = models.ManyToManyField(MitigationRequest, related_name="+", blank=True)
    """Replaced versions, and those ended when the plan was turned off."""
    activation = models.ForeignKey(
        MitigationRequest, on_delete=models.PROTECT, null=True, related_name="activated_plans"
    )
    """The last immediate request that was made from it."""
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(removed_at__isnull=True),
                name="plan_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("standby:plan", args=[self.organization.slug, self.pk])

    @property
    def is_on(self) -> bool:
        """Its providers should hold it."""
        return self.request.terminate_asked_at is None and not self.request.is_over

    @property
    def live_activation(self) -> MitigationRequest | None:
        """The live request that was made from this plan."""
        activation = self.activation
        return activation if activation is not None and not activation.is_over else None


class Drill(models.Model):
    """One test of every enabled provider; it has ended when each check has."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="drills")
    started_at = models.DateTimeField()
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(ended_at__isnull=True),
                name="one_drill_at_a_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organization", "-started_at"], name="drill_newest_first"),
        ]

    def __str__(self) -> str:
        return f"drill of {self.organization_id} at {self.started_at:%F %T}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None

    @property
    def has_passed(self) -> bool:
        """Every provider did everything it was asked."""
        checks = self.checks.all()
        return self.is_over and bool(checks) and all(not check.failure for check in checks)


class DrillMethod(models.TextChoices):
    """How a provider is tested."""

    REQUEST = "request"
    """A separate standby request, which is withdrawn again."""
    PLAN = "plan"
    """A plan the provider holds is confirmed again, because a separate request would replace that
    plan.
    """


class Failure(models.TextChoices):
    """Where an unsuccessful check ended."""

    NOT_SENT = "not_sent"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    NOT_HELD = "not_held"
    ACTED = "acted"
    NOT_TOLD = "not_told"
    NOT_ENDED = "not_ended"


class DrillCheck(models.Model):
    """What one provider did in a drill, and when."""

    drill = models.ForeignKey(Drill, on_delete=models.CASCADE, related_name="checks")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    way = models.CharField(max_length=8, choices=DrillMethod.choices)
    mitigation = models.ForeignKey(
        Mitigation, on_delete=models.PROTECT, related_name="drill_checks"
    )
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    """The provider reported that it holds it in standby."""
    withdrawn_at = models.DateTimeField(null=True)
    """When the portal started to withdraw it."""
    told_at = models.DateTimeField(null=True)
    """When the provider confirmed the withdrawal."""
    ended_at = models.DateTimeField(null=True)
    """When the provider no longer held it; for a plan, when it was confirmed."""
    failure = models.CharField(max_length=16, choices=Failure.choices, blank=True)
    refusal_code = models.CharField(max_length=16, blank=True, default="", db_default="")
    """For `refused`: copied from the mitigation, where a later answer overwrites it."""
    refusal_reason = models.TextField(blank=True, default="", db_default="")
    """The provider's own text."""
    conflict = JSONValueField(ProviderConflict, null=True)
    reason_text = models.CharField(
        max_length=300, blank=True, default="", db_default="", db_column="reason"
    )
    """The sentence that an earlier release saved; shown if there is no code."""

    class Meta:
        ordering: ClassVar = ["subscription__priority", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["drill", "mitigation"], name="one_check_per_mitigation"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.way} at {self.subscription_id}"

    @property
    def is_over(self) -> bool:
        return bool(self.failure) or self.ended_at is not None
