"""Celery tasks: the deadlines that must pass even if no signal worker runs."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from portal.core.broadcast import pass_wake_up_on
from portal.mitigations import services
from portal.signaling.leasing import database_clock
from portal.signaling.sessions import orphaned_sessions


@shared_task
def reconcile(subscription_id: str) -> None:
    """A wake-up from a process of the previous release; the next release drops this task."""
    pass_wake_up_on(UUID(subscription_id))


@shared_task
def sweep_deadlines() -> None:
    """Mark overdue and expired mitigations and orphaned sessions even if no signal worker runs."""
    now = database_clock.read()
    services.mark_overdue(now=now)
    services.mark_expired(now=now)
    orphaned_sessions.mark_orphans(now=now)
