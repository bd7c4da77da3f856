"""Who shares the subscriptions."""

from __future__ import annotations

from django.db import models


class SignalWorker(models.Model):
    """A signal worker that checked in not long ago."""

    name = models.CharField(max_length=100, primary_key=True)
    """Its name in the leases."""
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
