"""Wake-ups for the signal worker, and its deadlines for the days when no signal worker runs."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from portal.mitigations import services
from portal.signaling import leases, worker


@shared_task
def reconcile(subscription_id: str) -> str:
    """Have the agent of this worker look at a subscription's rows."""
    agent = worker.agent
    return "no agent" if agent is None else agent.wake(UUID(subscription_id))


@shared_task
def sweep_deadlines() -> None:
    """What the rows must say even when no signal worker lives to say it."""
    now = timezone.now()
    services.mark_overdue(now=now)
    services.mark_expired(now=now)
    leases.mark_orphans(now=now)
