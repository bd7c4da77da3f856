"""Signal workers, and who owns which subscription."""

from __future__ import annotations

from django.db import models

from portal.providers.models import Subscription


class SignalWorker(models.Model):
    """A signal worker that renews its leases. Another worker deletes the row once it is silent."""

    name = models.CharField(max_length=100, primary_key=True)
    """Never used again: a worker that lost its leases continues under another name. So the name is
    also the epoch of every lease and write.
    """
    seen_at = models.DateTimeField()
    """When it last renewed all its leases, by the clock of the database."""
    has_leases = models.BooleanField(default=True, db_default=False)
    """False: a worker of release 0.1 (`old_leases.py`)."""

    def __str__(self) -> str:
        return self.name


class Lease(models.Model):
    """The owner of a subscription. The row changes only when a worker claims it, releases it or
    dies. If its worker has no row, the subscription is free.
    """

    subscription = models.OneToOneField(
        Subscription,
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="lease",
        # The check of a foreign key waits for whatever transaction holds the subscription's row.
        db_constraint=False,
    )
    worker = models.ForeignKey(
        SignalWorker,
        on_delete=models.CASCADE,
        related_name="leases",
        # Workers of 0.1 delete rows of workers and do not know this table (`old_leases.py`).
        db_constraint=False,
    )

    def __str__(self) -> str:
        return f"{self.subscription_id} of {self.worker_id}"
