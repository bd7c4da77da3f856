"""Tests of connections."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.connections.steps import ConnectionResult, ConnectionStep
from portal.core.json_value import JSONValueField
from portal.providers.models import ClientKey, Subscription

RESULTS = [(one.value, one.name) for one in ConnectionResult]


class ConnectionTest(models.Model):
    """One test of the connection with a provider, which a signal worker makes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="tests")
    client_key = models.ForeignKey(ClientKey, on_delete=models.SET_NULL, null=True)
    """The key that waits, if the test is to show that it works."""
    is_of_new_key = models.BooleanField(default=False)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    """Null while it runs, or waits for a worker."""
    result = models.CharField(max_length=8, choices=RESULTS, blank=True, default="")
    """Empty while it runs."""
    steps = JSONValueField(tuple[ConnectionStep, ...], default=tuple)

    class Meta:
        ordering: ClassVar = ["-asked_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(ended_at__isnull=True),
                name="one_connection_test_at_a_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["asked_at"], condition=Q(ended_at__isnull=True), name="connection_to_test"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.result}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None
