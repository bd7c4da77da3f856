"""Celery tasks: wake-ups for the signal worker, and the deadlines that must pass even if no signal
worker runs.
"""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from portal.core.broadcast import pass_wake_up_on
from portal.mitigations import services
from portal.signaling import database_clock, orphaned_sessions, worker
from portal.signaling.signal_agent import OWNED_ELSEWHERE


@shared_task
def reconcile(subscription_id: str) -> str:
    """Have the agent that owns a subscription read its rows, in this worker or another."""
    subscription, agent = UUID(subscription_id), worker.agent
    found = OWNED_ELSEWHERE if agent is None else agent.wake(subscription)
    if found == OWNED_ELSEWHERE:
        pass_wake_up_on(subscription)
    return found


@shared_task
def sweep_deadlines() -> None:
    """Mark overdue and expired mitigations and orphaned sessions even if no signal worker runs."""
    now = database_clock.read()
    services.mark_overdue(now=now)
    services.mark_expired(now=now)
    orphaned_sessions.mark_orphans(now=now)
