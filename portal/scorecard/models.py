"""The service levels that providers agreed to."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from portal.providers.models import Subscription

MIN_WITHIN_S = 1
MAX_WITHIN_S = 86_400
MAX_AVAILABILITY = 100
AVAILABILITY_PLACES = 3
"""Digits after the decimal point of a percentage."""


class ServiceLevels(models.Model):
    """What a provider agreed to with one organization, as its admins typed it in.

    Null: not agreed.
    """

    subscription = models.OneToOneField(
        Subscription, on_delete=models.CASCADE, primary_key=True, related_name="service_levels"
    )
    accept_within_s = models.PositiveIntegerField(null=True)
    filter_within_s = models.PositiveIntegerField(null=True)
    stop_within_s = models.PositiveIntegerField(null=True)
    availability = models.DecimalField(
        max_digits=3 + AVAILABILITY_PLACES, decimal_places=AVAILABILITY_PLACES, null=True
    )
    """Percent of the time in which the session is up."""

    class Meta:
        constraints: ClassVar = [
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{name}__range": (MIN_WITHIN_S, MAX_WITHIN_S)}),
                    name=f"service_level_{name}",
                )
                for name in ("accept_within_s", "filter_within_s", "stop_within_s")
            ),
            models.CheckConstraint(
                condition=Q(availability__gt=0, availability__lte=MAX_AVAILABILITY),
                name="service_level_availability",
            ),
        ]

    def __str__(self) -> str:
        return f"service levels of {self.subscription_id}"
