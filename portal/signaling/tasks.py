"""Wake-ups for the signal worker, and its deadlines for the days when no signal worker runs."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from portal.core.broadcast import pass_wake_up_on
from portal.mitigations import services
from portal.signaling import database_clock, orphaned_sessions, worker
from portal.signaling.signal_agent import OWNED_ELSEWHERE


@shared_task
def reconcile(subscription_id: str) -> str:
    """Have the agent that holds a subscription look at its rows, here or in another worker."""
    subscription, agent = UUID(subscription_id), worker.agent
    found = OWNED_ELSEWHERE if agent is None else agent.wake(subscription)
    if found == OWNED_ELSEWHERE:
        pass_wake_up_on(subscription)
    return found


@shared_task
def sweep_deadlines() -> None:
    """What the rows must say even when no signal worker lives to say it."""
    now = database_clock.read()
    services.mark_overdue(now=now)
    services.mark_expired(now=now)
    orphaned_sessions.mark_orphans(now=now)
